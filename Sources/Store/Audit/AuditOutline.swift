internal import Glibc
import Secrets

/// What the chain needs of a line: its number and MACs, found without taking the rest apart.
struct AuditOutline {
    let sequence: UInt64
    let mac: [UInt8]
    /// The MAC that the line says it follows; only lines that begin a chain tell.
    let after: [UInt8]?
    /// How many bytes of the line its MAC covers.
    let coveredCount: Int

    /// `,"mac":"` … `"}`
    static let macHead: StaticString = ",\"mac\":\""
    private static let afterHead: StaticString = ",\"after\":\""
    static let suffixCount = 8 + 64 + 2

    /// - Parameter line: without its newline.
    init?(_ line: RawSpan) {
        guard let sequence = Self.sequence(line), line.byteCount > Self.suffixCount else { return nil }
        let covered = line.byteCount - Self.suffixCount
        guard line.byte(at: line.byteCount - 1) == UInt8(ascii: "}"),
            let mac = Self.hexadecimal(line, behind: Self.macHead, at: covered)
        else { return nil }
        self.sequence = sequence
        self.mac = mac
        coveredCount = covered
        let start = covered - (10 + 64 + 1)
        after = start > 0 ? Self.hexadecimal(line, behind: Self.afterHead, at: start) : nil
    }

    /// Whether `line` may be what a crash left of the line `sequence`: a beginning of such a line and not all of it.
    /// Anything else was not written by us.
    static func isBeginning(_ line: RawSpan, of sequence: UInt64) -> Bool {
        let head = Array("{\"seq\":\(sequence),\"time\":\"".utf8)
        for place in 0..<min(head.count, line.byteCount) where line.byte(at: place) != head[place] {
            return false
        }
        for place in 0..<line.byteCount where !(0x20...0x7E).contains(line.byte(at: place)) { return false }
        // Quotes inside of texts have a backslash before them, so this is the MAC.
        let headCount = macHead.utf8CodeUnitCount
        for place in 0..<max(0, line.byteCount - headCount) {
            guard line.extracting(place..<line.byteCount).starts(with: macHead) else { continue }
            let digits = place + headCount
            let end = min(line.byteCount, digits + 2 * AuditMAC.count)
            for digit in digits..<end where hexadecimalValue(line.byte(at: digit)) == nil { return false }
            // At most the quote behind it.
            return end == line.byteCount
                || end + 1 == line.byteCount && line.byte(at: end) == UInt8(ascii: "\"")
        }
        return true
    }

    static func sequence(_ line: RawSpan) -> UInt64? {
        guard line.starts(with: "{\"seq\":") else { return nil }
        var place = 7
        var value: UInt64 = 0
        while place < line.byteCount, (0x30...0x39).contains(line.byte(at: place)) {
            let (tens, isTooLarge) = value.multipliedReportingOverflow(by: 10)
            let (sum, isStillTooLarge) = tens.addingReportingOverflow(UInt64(line.byte(at: place) - 0x30))
            guard !isTooLarge, !isStillTooLarge else { return nil }
            value = sum
            place += 1
        }
        guard place > 7, place < line.byteCount, line.byte(at: place) == UInt8(ascii: ",") else { return nil }
        return value
    }

    /// The 32 bytes whose digits and closing quote stand behind `head` at `offset`.
    private static func hexadecimal(_ line: RawSpan, behind head: StaticString, at offset: Int) -> [UInt8]? {
        let digits = offset + head.utf8CodeUnitCount
        guard offset >= 0, digits + 65 <= line.byteCount,
            line.extracting(offset..<line.byteCount).starts(with: head),
            line.byte(at: digits + 64) == UInt8(ascii: "\"")
        else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(32)
        for place in stride(from: digits, to: digits + 64, by: 2) {
            guard let high = hexadecimalValue(line.byte(at: place)),
                let low = hexadecimalValue(line.byte(at: place + 1))
            else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    /// Whether this line was written by us, following a line with the MAC `previous`.
    func isAuthentic(_ line: RawSpan, after previous: [UInt8], _ key: AuditMAC) throws(SealError) -> Bool {
        let covered = line.extracting(0..<coveredCount)
        let expected = unsafe try key.authenticate(previous.span.bytes, covered)
        return unsafe isEqualInConstantTime(expected.span.bytes, mac.span.bytes)
    }

    var link: AuditLink { AuditLink(sequence: sequence, mac: mac) }
}

/// Calls `body` with each line of `bytes`, without its newline, and where it starts, until that answers false.
///
/// - Returns: where what was not looked at starts; at most the start of a last line that has no newline.
@discardableResult
func forEachLine<E>(of bytes: RawSpan, _ body: (RawSpan, Int) throws(E) -> Bool) throws(E) -> Int {
    var start = 0
    while start < bytes.byteCount {
        let rest = bytes.extracting(start..<bytes.byteCount)
        let length = unsafe rest.withUnsafeBytes { rest -> Int? in
            guard let base = rest.baseAddress, let end = unsafe memchr(base, 0x0A, rest.count) else {
                return nil
            }
            return unsafe UnsafeRawPointer(end) - base
        }
        guard let length else { return start }
        guard try body(rest.extracting(0..<length), start) else { return start }
        start += length + 1
    }
    return start
}
