import Secrets

/// How the audit log of a store is kept. A sealed record, so that only who can open the store can change it.
package struct AuditSettings: Hashable, Sendable {
    /// When what the agent records is on the disk.
    package enum Sync: String, CaseIterable, Sendable {
        /// Within a second. A power cut or a crash of the kernel loses what was recorded since.
        case batch
        /// Before it happens.
        case always

        var code: UInt8 {
            switch self {
            case .batch: 1
            case .always: 2
            }
        }
    }

    package var sync = Sync.batch
    /// A file with so many bytes is moved aside: 4 KiB to 1 TiB.
    package var maximumCount = 64 << 20
    /// How many moved files are kept, 0 to 10,000.
    package var kept = 16

    package static let maximumCounts = 4096...(1 << 40)
    package static let keptCounts = 0...10_000

    package init() {}

    init(decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .auditSettings)
        let code = try reader.number(UInt8.self)
        guard let sync = Sync.allCases.first(where: { $0.code == code }) else { throw .malformed }
        self.sync = sync
        guard let count = Int(exactly: try reader.number(UInt64.self)), Self.maximumCounts.contains(count)
        else { throw .malformed }
        maximumCount = count
        kept = Int(try reader.number(UInt32.self))
        guard Self.keptCounts.contains(kept) else { throw .malformed }
        try reader.finish()
    }

    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .auditSettings)
        writer.write(sync.code)
        writer.write(UInt64(maximumCount))
        writer.write(UInt32(kept))
        return writer.bytes
    }
}

/// What storage knows of the audit log, so that a log that was cut or replaced by an older one is noticed.
package struct AuditAnchor: Hashable, Sendable {
    /// A line that was on the disk when this was written.
    var link: AuditLink
    /// The first line that must be there: those before it were deleted with the files that were not to be kept.
    var first: UInt64

    init(link: AuditLink, first: UInt64) {
        self.link = link
        self.first = first
    }

    init(decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .auditAnchor)
        first = try reader.number(UInt64.self)
        link = AuditLink(sequence: try reader.number(UInt64.self), mac: [])
        for _ in 0..<AuditMAC.count { link.mac.append(try reader.number(UInt8.self)) }
        try reader.finish()
        guard first > 0, first <= link.sequence else { throw .malformed }
    }

    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .auditAnchor)
        writer.write(first)
        writer.write(link.sequence)
        for byte in link.mac { writer.write(byte) }
        return writer.bytes
    }
}
