import Secrets

/// The end of a chain of lines: what the next line goes on from.
struct AuditLink: Hashable, Sendable {
    /// Number of the line; 0 before the first.
    var sequence: UInt64
    /// Its MAC.
    var mac: [UInt8]

    static let start = AuditLink(sequence: 0, mac: [UInt8](repeating: 0, count: AuditMAC.count))
}

/// Writes lines: JSON with keys in one order, printable ASCII only, so that no byte of a line moves a terminal
/// (docs/FORMAT.md#audit-log).
struct AuditLineWriter {
    /// A path, a detail, as they are written, in bytes: longer ones are cut. Whoever opens a value chooses the path of
    /// the program that does it, and must not fill the log with it.
    static let maximumText = 1024
    /// In bytes; a line has at most eight such texts, names of at most 255 bytes, numbers, and 300 bytes of keys.
    static let maximumLine = 12_288

    private(set) var bytes: [UInt8]

    /// - Parameter head: what stands before the lines.
    init(_ head: [UInt8] = []) { bytes = head }

    /// Appends a line that follows `link`, and makes `link` its end.
    ///
    /// - Parameter isFresh: tells `link`'s MAC in the line, so that the line is checked without what was before it.
    mutating func append(
        _ event: AuditEvent, at time: Timestamp, following link: inout AuditLink, isFresh: Bool = false,
        _ key: AuditMAC
    ) throws(SealError) {
        let previous = link
        // Not byte by byte into an array, which asks with each append whether it is shared.
        link = try bytes.append(addingCapacity: Self.maximumLine, following: previous) {
            line, next throws(SealError) in
            line.literal("{\"seq\":")
            line.number(next.sequence)
            line.literal(",\"time\":\"")
            line.append(time)
            line.append(UInt8(ascii: "\""))
            line.append(event)
            if isFresh { line.text("after", hexadecimal: previous.mac) }
            next.mac = unsafe try key.authenticate(previous.mac.span.bytes, line.span.bytes)
            line.text("mac", hexadecimal: next.mac)
            line.literal("}\n")
        }
    }
}

extension [UInt8] {
    /// - Returns: the link that `body` made of the one after `previous`.
    fileprivate mutating func append(
        addingCapacity count: Int, following previous: AuditLink,
        _ body: (inout OutputSpan<UInt8>, inout AuditLink) throws(SealError) -> Void
    ) throws(SealError) -> AuditLink {
        var link = AuditLink(sequence: previous.sequence + 1, mac: [])
        try append(addingCapacity: count) { line throws(SealError) in try body(&line, &link) }
        return link
    }
}
