import Secrets

/// Strings inside a JSON text: checked once, and then taken out as bytes of UTF-8.
enum JSONString {
    /// A part of a string.
    private enum Part {
        /// Bytes that mean themselves.
        case run(Range<Int>)
        /// What an escape stands for.
        case scalar(Unicode.Scalar)
    }

    // MARK: Checking

    /// Goes to behind the closing quote.
    static func check(_ text: RawSpan, _ place: inout Int) throws(JSONError) {
        while place < text.byteCount {
            let byte = text.byte(at: place)
            switch byte {
            case UInt8(ascii: "\""):
                place += 1
                return
            case UInt8(ascii: "\\"): _ = try escape(text, &place)
            case 0x20...0x7F: place += 1
            case ..<0x20: throw JSONError("a string has a control character that is not escaped")
            default: try checkUTF8(text, &place)
            }
        }
        throw JSONError("it ends early")
    }

    /// RFC 3629, 4: which second bytes a first byte may have.
    private static func checkUTF8(_ text: RawSpan, _ place: inout Int) throws(JSONError) {
        let (count, second): (Int, ClosedRange<UInt8>)
        switch text.byte(at: place) {
        case 0xC2...0xDF: (count, second) = (2, 0x80...0xBF)
        case 0xE0: (count, second) = (3, 0xA0...0xBF)
        case 0xED: (count, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (count, second) = (3, 0x80...0xBF)
        case 0xF0: (count, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (count, second) = (4, 0x80...0xBF)
        case 0xF4: (count, second) = (4, 0x80...0x8F)
        default: throw JSONError("it is not UTF-8")
        }
        guard text.byteCount - place >= count, second.contains(text.byte(at: place + 1)) else {
            throw JSONError("it is not UTF-8")
        }
        for offset in 2..<max(count, 2) where !(0x80...0xBF).contains(text.byte(at: place + offset)) {
            throw JSONError("it is not UTF-8")
        }
        place += count
    }

    /// Goes behind an escape; a pair of them where they are the halves of one character.
    private static func escape(_ text: RawSpan, _ place: inout Int) throws(JSONError) -> Unicode.Scalar {
        guard text.byteCount - place >= 2 else { throw JSONError("it ends early") }
        let kind = text.byte(at: place + 1)
        if let plain = plainEscape(kind) {
            place += 2
            return plain
        }
        guard kind == UInt8(ascii: "u") else {
            throw JSONError("a string has an escape that JSON does not know")
        }
        let first = try unit(text, &place)
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard (0xD800...0xDBFF).contains(first), text.byteCount - place >= 6,
            text.byte(at: place) == UInt8(ascii: "\\"), text.byte(at: place + 1) == UInt8(ascii: "u")
        else { throw halfCharacter }
        let second = try unit(text, &place)
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10 | (second - 0xDC00)))
        else { throw halfCharacter }
        return scalar
    }
    private static var halfCharacter: JSONError {
        JSONError("a string has half of a character (a surrogate)")
    }

    private static func plainEscape(_ kind: UInt8) -> Unicode.Scalar? {
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): Unicode.Scalar(kind)
        case UInt8(ascii: "b"): "\u{8}"
        case UInt8(ascii: "f"): "\u{C}"
        case UInt8(ascii: "n"): "\n"
        case UInt8(ascii: "r"): "\r"
        case UInt8(ascii: "t"): "\t"
        default: nil
        }
    }

    /// Goes behind `\u` and its four digits.
    private static func unit(_ text: RawSpan, _ place: inout Int) throws(JSONError) -> UInt32 {
        guard text.byteCount - place >= 6 else { throw JSONError("it ends early") }
        var unit: UInt32 = 0
        for offset in 2..<6 {
            guard let digit = digit(text.byte(at: place + offset)) else {
                throw JSONError("a string has an escape that JSON does not know")
            }
            unit = unit << 4 | digit
        }
        place += 6
        return unit
    }

    private static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte) - 0x30
        case 0x41...0x46: UInt32(byte) - 0x41 + 10
        case 0x61...0x66: UInt32(byte) - 0x61 + 10
        default: nil
        }
    }

    // MARK: Taking out

    /// What the string at `range` means, for names and texts.
    ///
    /// - Precondition: it was checked, as for `value`.
    static func bytes(of range: Range<Int>, in text: RawSpan) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        forEachPart(of: range, in: text) { part in
            switch part {
            case .run(let run): for place in run { bytes.append(text.byte(at: place)) }
            case .scalar(let scalar): bytes.append(contentsOf: Unicode.UTF8.encode(scalar) ?? .init())
            }
        }
        return bytes
    }

    /// What the string at `range` means, in memory that wipes itself.
    ///
    /// - Returns: nil, and nothing is taken out, if it is longer than a value may be.
    static func value(of range: Range<Int>, in text: RawSpan) throws -> SecretValue? {
        var count = 0
        forEachPart(of: range, in: text) { part in
            switch part {
            case .run(let run): count += run.count
            case .scalar(let scalar): count += Unicode.UTF8.width(scalar)
            }
        }
        guard count <= SecretValue.maximumCount else { return nil }
        return try SecretValue(capacity: count) { span in
            forEachPart(of: range, in: text) { part in
                switch part {
                case .run(let run): span.append(copying: text.extracting(run))
                case .scalar(let scalar):
                    for unit in Unicode.UTF8.encode(scalar) ?? .init() {
                        unsafe span.append(unit, as: UInt8.self)
                    }
                }
            }
        }
    }

    private static func forEachPart(of range: Range<Int>, in text: RawSpan, _ body: (Part) -> Void) {
        var place = range.lowerBound
        var start = place
        while place < range.upperBound {
            guard text.byte(at: place) == UInt8(ascii: "\\") else {
                place += 1
                continue
            }
            if start < place { body(.run(start..<place)) }
            guard let scalar = try? escape(text, &place) else { return }
            body(.scalar(scalar))
            start = place
        }
        if start < range.upperBound { body(.run(start..<range.upperBound)) }
    }
}
