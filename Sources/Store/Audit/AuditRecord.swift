package import Secrets

/// One line of the audit log, taken apart. Hostile until it is verified; but all of it is printable ASCII where the
/// line has it, and texts are for `printable` before they reach a terminal.
package struct AuditRecord: Sendable {
    package var sequence: UInt64 = 0
    package var time = Timestamp(seconds: 0, nanoseconds: 0)
    package var texts: [Key: String] = [:]
    package var numbers: [Key: UInt64] = [:]

    /// The keys of a line, in their order.
    package enum Key: String, CaseIterable, Sendable {
        case seq, time, action, outcome, algorithm, owner, secret, id, version, generation, entries, detail
        case uid, gid, pid, tid, executable, cgroup, user, address, request, after, mac

        var isNumber: Bool {
            switch self {
            case .seq, .version, .generation, .entries, .uid, .gid, .pid, .tid: true
            default: false
            }
        }
    }

    package subscript(_ key: Key) -> String? {
        key.isNumber ? numbers[key].map(String.init) : texts[key]
    }

    /// - Parameter line: without its newline.
    /// - Returns: nil if it is not a line as we write them: keys in order, no blanks, printable ASCII only.
    package init?(_ line: [UInt8]) {
        var reader = AuditLineReader(line)
        // What has no place in the chain is no record, whatever else it says: see `AuditOutline.isBeginning`.
        guard unsafe AuditOutline(line.span.bytes) != nil, reader.take("{") else { return nil }
        var rest = Key.allCases[...]
        while true {
            guard let name = reader.string(), let key = Key(rawValue: name),
                let index = rest.firstIndex(of: key), reader.take(":")
            else { return nil }
            rest = rest[(index + 1)...]
            if key.isNumber {
                guard let number = reader.number() else { return nil }
                numbers[key] = number
            } else {
                guard let text = reader.string() else { return nil }
                texts[key] = text
            }
            if reader.take("}") { break }
            guard reader.take(",") else { return nil }
        }
        guard reader.isAtEnd, let sequence = numbers[.seq], let time = texts[.time].flatMap(Self.time),
            texts[.action] != nil, texts[.outcome] != nil
        else { return nil }
        self.sequence = sequence
        self.time = time
    }

    /// `2026-11-23T14:03:05.120345Z`.
    private static func time(_ text: String) -> Timestamp? {
        let bytes = Array(text.utf8)
        guard bytes.count == 27 else { return nil }
        for (place, mark) in [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (26, "Z")] {
            guard bytes[place] == Array(mark.utf8)[0] else { return nil }
        }
        func number(_ range: Range<Int>) -> Int64? {
            guard bytes[range].allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return bytes[range].reduce(0) { $0 * 10 + Int64($1 - 0x30) }
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10),
            let hour = number(11..<13), let minute = number(14..<16), let second = number(17..<19),
            let micro = number(20..<26), (1...12).contains(month), (1...31).contains(day), hour < 24,
            minute < 60, second < 60
        else { return nil }
        let days = CivilDate.daysSince1970(year: year, month: month, day: day)
        return Timestamp(
            seconds: days * 86_400 + hour * 3600 + minute * 60 + second, nanoseconds: UInt32(micro) * 1000)
    }
}

/// Reads the parts of a line.
private struct AuditLineReader {
    private let line: [UInt8]
    private var place = 0

    init(_ line: [UInt8]) { self.line = line }

    var isAtEnd: Bool { place == line.count }

    mutating func take(_ mark: Unicode.Scalar) -> Bool {
        guard place < line.count, line[place] == UInt8(ascii: mark) else { return false }
        place += 1
        return true
    }

    /// Decimal, without leading zeros.
    mutating func number() -> UInt64? {
        let start = place
        var value: UInt64 = 0
        while place < line.count, (0x30...0x39).contains(line[place]) {
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooLarge) = tens.addingReportingOverflow(UInt64(line[place] - 0x30))
            guard !isTooLarge, !isStillTooLarge else { return nil }
            value = sum
            place += 1
        }
        guard place > start, place == start + 1 || line[start] != 0x30 else { return nil }
        return value
    }

    mutating func string() -> String? {
        guard take("\"") else { return nil }
        var units: [UInt16] = []
        while place < line.count {
            let byte = line[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: units, as: UTF16.self)
            case UInt8(ascii: "\\"):
                guard let unit = escape() else { return nil }
                units.append(unit)
            case 0x20...0x7E: units.append(UInt16(byte))
            default: return nil
            }
        }
        return nil
    }

    private mutating func escape() -> UInt16? {
        guard place < line.count else { return nil }
        let kind = line[place]
        place += 1
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return UInt16(kind)
        case UInt8(ascii: "u"):
            guard line.count - place >= 4 else { return nil }
            var unit: UInt16 = 0
            for _ in 0..<4 {
                guard let digit = hexadecimalValue(line[place]) else { return nil }
                unit = unit << 4 | UInt16(digit)
                place += 1
            }
            return unit
        default: return nil
        }
    }
}

func hexadecimalValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
}
