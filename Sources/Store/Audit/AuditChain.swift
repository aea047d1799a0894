import Secrets

/// Goes along the lines of a log that are as they were written, with no memory of their own for each. It tells
/// whether the next line is one of them, and never what is wrong with one that is not.
struct AuditChain {
    private typealias MAC = InlineArray<32, UInt8>
    /// Number of the last line.
    private(set) var sequence: UInt64
    private var mac: MAC

    /// Behind the line that `link` is the end of.
    init(_ link: AuditLink) {
        sequence = link.sequence
        mac = MAC { link.mac[$0] }
    }

    var link: AuditLink { AuditLink(sequence: sequence, mac: mac.indices.map { mac[$0] }) }

    /// Goes on to `line` (without its newline) if it follows on the last one and its MAC is the one that we would
    /// write.
    mutating func follow(_ line: RawSpan, _ key: AuditMAC) throws(SealError) -> Bool {
        let covered = line.byteCount - AuditOutline.suffixCount
        guard covered > 0, AuditOutline.sequence(line) == sequence &+ 1,
            line.extracting(covered..<line.byteCount).starts(with: AuditOutline.macHead),
            line.byte(at: line.byteCount - 2) == UInt8(ascii: "\""),
            line.byte(at: line.byteCount - 1) == UInt8(ascii: "}")
        else { return false }
        var next = MAC(repeating: 0)
        try unsafe withUnsafeMutableBytes(of: &next) { next throws(SealError) in
            try unsafe key.authenticate(mac.span.bytes, line.extracting(0..<covered), into: next)
        }
        let found = line.extracting(covered + AuditOutline.macHead.utf8CodeUnitCount..<line.byteCount - 2)
        guard unsafe isEqualInConstantTime(Self.digits(of: next).span.bytes, found) else { return false }
        sequence &+= 1
        mac = next
        return true
    }

    private static func digits(of mac: MAC) -> InlineArray<64, UInt8> {
        var digits = InlineArray<64, UInt8>(repeating: 0)
        for index in mac.indices {
            digits[2 * index] = hexadecimalDigit(mac[index] >> 4)
            digits[2 * index + 1] = hexadecimalDigit(mac[index] & 0x0F)
        }
        return digits
    }
}
