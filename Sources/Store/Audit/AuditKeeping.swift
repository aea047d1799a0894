internal import Glibc
import Secrets

/// The part of the log that storage keeps, and what is done about the files from time to time. Never in the way of
/// an open.
extension SecretStore {
    /// After so many lines storage is told where the log ends.
    package static let anchorInterval: UInt64 = 1024

    package func auditSettings() throws(StoreError) -> AuditSettings {
        try auditRecord(Keys.auditSettings) { bytes throws(RecordFormatError) in
            try AuditSettings(decoding: bytes)
        } ?? AuditSettings()
    }

    /// Changes how the log is kept, in every process that uses the store.
    package func setAuditSettings(_ settings: AuditSettings) throws(StoreError) {
        let detail = "sync \(settings.sync.rawValue), \(settings.maximumCount) bytes, \(settings.kept) kept"
        let event = AuditEvent(.auditSettings, by: AuditActor(changingAs: .thisProcess), detail: detail)
        try retrying("the audit log's settings") { () throws(StoreError) in
            var random = RandomBlock()
            let sealed = try seal(metadata: settings.encoded(), under: Keys.auditSettings, &random)
            try commit(if: [], then: [.put(Keys.auditSettings, sealed)], recording: [event])
        }
        audit.apply(settings)
    }

    package func auditAnchor() throws(StoreError) -> AuditAnchor? {
        try auditRecord(Keys.auditAnchor) { bytes throws(RecordFormatError) in
            try AuditAnchor(decoding: bytes)
        }
    }

    private func auditRecord<T>(
        _ key: RecordKey, _ parse: ([UInt8]) throws(RecordFormatError) -> T
    ) throws(StoreError) -> T? {
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { return nil }
        return try decode(record, parse)
    }

    /// Tells storage where the log ends now, with every line until there on the disk.
    ///
    /// - Parameter first: the first line that will be kept; nil: as before.
    package func anchorAudit(keepingFrom first: UInt64? = nil) throws(StoreError) {
        try auditing { () throws(AuditError) in try audit.sync() }
        let end = audit.end
        try retrying("the audit log's anchor") { () throws(StoreError) in
            let snapshot = try storing { () throws(StorageError) in
                try storage.read([.key(Keys.auditAnchor)], at: nil)
            }
            var next = AuditAnchor(link: end, first: first ?? 1)
            var condition = Transaction.Condition.absent(Keys.auditAnchor)
            if let record = snapshot.records.first {
                condition = .unchanged(Keys.auditAnchor, since: record.modified)
                let present = try decode(record) { bytes throws(RecordFormatError) in
                    try AuditAnchor(decoding: bytes)
                }
                if present.link.sequence > next.link.sequence { next.link = present.link }
                next.first = min(max(first ?? 1, present.first), next.link.sequence)
                guard next != present else { return }
            }
            var random = RandomBlock()
            let sealed = try seal(metadata: next.encoded(), under: Keys.auditAnchor, &random)
            try put(if: [condition], then: [.put(Keys.auditAnchor, sealed)])
        }
        audit.hasAnchored(end.sequence)
    }

    /// Tells storage of lines that it does not know of, if there are any.
    package func anchorAuditIfBehind() {
        if audit.isAnchorDue(after: 1) { try? anchorAudit() }
    }

    /// Moves a full file aside and tells storage where the log ends, where that is due. What fails here is tried
    /// again at the next change.
    package func keepAudit() {
        do {
            if audit.isFull { return try rotateAudit() }
            if audit.isAnchorDue(after: Self.anchorInterval) { try anchorAudit() }
        } catch {
            // Nothing is lost: the log goes on in the file that is there, and the older anchor holds.
        }
    }

    /// Moves the present file aside, and deletes those that are not to be kept.
    package func rotateAudit() throws(StoreError) {
        try auditing { () throws(AuditError) in try audit.rotate() }
        let kept = audit.settings.kept
        let first = try auditing { () throws(AuditError) in try audit.firstSequence(keeping: kept) }
        // First storage says that they are not missed, then they go.
        try anchorAudit(keepingFrom: first)
        guard let first else { return }
        try auditing { () throws(AuditError) in try audit.deleteFiles(before: first) }
    }

    func auditing<T>(_ body: () throws(AuditError) -> T) throws(StoreError) -> T {
        do { return try body() } catch { throw .audit(error) }
    }
}
