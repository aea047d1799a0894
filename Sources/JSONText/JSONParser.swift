/// Reads a JSON text (RFC 8259) strictly: valid UTF-8 (RFC 3629), no name twice in an object, nothing but blanks after
/// the value, nothing beyond the limits. A text is hostile: it costs no more memory than its limits say.
struct JSONParser {
    /// Objects and arrays in one another.
    static let maximumDepth = 16
    /// Values in all.
    static let maximumValues = 10_000
    /// Of a member's name, in bytes as it is written.
    static let maximumName = 1024

    private var place = 0
    private var values = 0

    /// - Returns: the value that `text` is.
    static func parse(_ text: RawSpan) throws(JSONError) -> JSONNode {
        var parser = JSONParser()
        parser.skipBlanks(text)
        let node = try parser.value(text, depth: 0)
        parser.skipBlanks(text)
        guard parser.place == text.byteCount else { throw JSONError("something follows after its end") }
        return node
    }

    private mutating func value(_ text: RawSpan, depth: Int) throws(JSONError) -> JSONNode {
        values += 1
        guard values <= Self.maximumValues else {
            throw JSONError("it has more than \(Self.maximumValues) values")
        }
        switch try peek(text) {
        case UInt8(ascii: "{"): return try object(text, depth: try deeper(depth))
        case UInt8(ascii: "["): return try array(text, depth: try deeper(depth))
        case UInt8(ascii: "\""): return .string(try string(text))
        case UInt8(ascii: "t"): return try word("true", .bool(true), text)
        case UInt8(ascii: "f"): return try word("false", .bool(false), text)
        case UInt8(ascii: "n"): return try word("null", .null, text)
        default: return .number(try number(text))
        }
    }

    private func deeper(_ depth: Int) throws(JSONError) -> Int {
        guard depth < Self.maximumDepth else {
            throw JSONError("it is nested more than \(Self.maximumDepth) deep")
        }
        return depth + 1
    }

    private mutating func object(_ text: RawSpan, depth: Int) throws(JSONError) -> JSONNode {
        place += 1
        var members: [JSONMember] = []
        var names: Set<[UInt8]> = []
        skipBlanks(text)
        if try peek(text) == UInt8(ascii: "}") {
            place += 1
            return .object([])
        }
        while true {
            guard try peek(text) == UInt8(ascii: "\"") else {
                throw JSONError("a name in an object is missing")
            }
            let range = try string(text)
            guard range.count <= Self.maximumName else { throw JSONError("a name in an object is too long") }
            let name = JSONString.bytes(of: range, in: text)
            // By bytes: two spellings of one character are two names.
            guard names.insert(name).inserted else { throw JSONError("an object has a name twice") }
            skipBlanks(text)
            try take(UInt8(ascii: ":"), text)
            skipBlanks(text)
            let node = try value(text, depth: depth)
            members.append(JSONMember(name: String(decoding: name, as: UTF8.self), node: node))
            skipBlanks(text)
            guard try !ends(with: UInt8(ascii: "}"), text) else { return .object(members) }
        }
    }

    private mutating func array(_ text: RawSpan, depth: Int) throws(JSONError) -> JSONNode {
        place += 1
        var nodes: [JSONNode] = []
        skipBlanks(text)
        if try peek(text) == UInt8(ascii: "]") {
            place += 1
            return .array([])
        }
        while true {
            nodes.append(try value(text, depth: depth))
            skipBlanks(text)
            guard try !ends(with: UInt8(ascii: "]"), text) else { return .array(nodes) }
        }
    }

    /// After a member or an element: its container's end, or a comma and another one.
    private mutating func ends(with mark: UInt8, _ text: RawSpan) throws(JSONError) -> Bool {
        let found = try peek(text)
        place += 1
        if found == mark { return true }
        guard found == UInt8(ascii: ",") else { throw JSONError("a comma or an end is missing") }
        skipBlanks(text)
        return false
    }

    private mutating func word(
        _ word: StaticString, _ node: JSONNode, _ text: RawSpan
    ) throws(JSONError) -> JSONNode {
        let count = word.utf8CodeUnitCount
        let isThere = word.withUTF8Buffer { letters in
            text.byteCount - place >= count
                && (0..<count).allSatisfy { unsafe letters[$0] == text.byte(at: place + $0) }
        }
        guard isThere else { throw JSONError("a value is not JSON") }
        place += count
        return node
    }

    private mutating func number(_ text: RawSpan) throws(JSONError) -> Range<Int> {
        let start = place
        _ = skip(UInt8(ascii: "-"), text)
        if !skip(UInt8(ascii: "0"), text), digits(text) == 0 { throw JSONError("a value is not JSON") }
        if skip(UInt8(ascii: "."), text), digits(text) == 0 { throw JSONError("a number has no digits") }
        if skip(UInt8(ascii: "e"), text) || skip(UInt8(ascii: "E"), text) {
            if !skip(UInt8(ascii: "+"), text) { _ = skip(UInt8(ascii: "-"), text) }
            if digits(text) == 0 { throw JSONError("a number has no digits") }
        }
        return start..<place
    }

    private mutating func digits(_ text: RawSpan) -> Int {
        let start = place
        while place < text.byteCount, (0x30...0x39).contains(text.byte(at: place)) { place += 1 }
        return place - start
    }

    private mutating func string(_ text: RawSpan) throws(JSONError) -> Range<Int> {
        place += 1
        let start = place
        try JSONString.check(text, &place)
        return start..<(place - 1)
    }

    private func peek(_ text: RawSpan) throws(JSONError) -> UInt8 {
        guard place < text.byteCount else {
            throw JSONError(text.byteCount == 0 ? "it is empty" : "it ends early")
        }
        return text.byte(at: place)
    }

    private mutating func take(_ mark: UInt8, _ text: RawSpan) throws(JSONError) {
        guard try peek(text) == mark else { throw JSONError("a colon is missing") }
        place += 1
    }

    private mutating func skip(_ mark: UInt8, _ text: RawSpan) -> Bool {
        guard place < text.byteCount, text.byte(at: place) == mark else { return false }
        place += 1
        return true
    }

    private mutating func skipBlanks(_ text: RawSpan) {
        while place < text.byteCount, [0x20, 0x09, 0x0A, 0x0D].contains(text.byte(at: place)) { place += 1 }
    }
}

extension RawSpan {
    package func byte(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }
}
