import Store

/// A storage that does one thing wrong, to prove that the model notices.
struct BrokenStorage: Storage {
    enum Fault: CaseIterable {
        case ignoresConditions, losesDeletes, confusesPrefixes, losesBytes, forgetsChanges, countsKeysOnly
    }
    let base: any Storage
    let fault: Fault
    var engineDescription: String { "broken" }

    func read(_ selections: [Selection], at revision: Revision?) throws(StorageError) -> Snapshot {
        let snapshot = try base.read(selections, at: revision)
        guard fault == .losesBytes else { return snapshot }
        let records = snapshot.records.map { record in
            StoredRecord(
                key: record.key, bytes: Array(record.bytes.prefix(39)), created: record.created,
                modified: record.modified)
        }
        return Snapshot(revision: snapshot.revision, records: records)
    }

    func count(of prefix: RecordKey) throws(StorageError) -> Int {
        guard fault == .countsKeysOnly else { return try base.count(of: prefix) }
        return try base.read([.key(prefix)], at: nil).records.count
    }

    func commit(_ transaction: Transaction) throws(StorageError) -> Revision {
        var transaction = transaction
        if fault == .ignoresConditions { transaction.conditions = [] }
        transaction.changes = transaction.changes.compactMap { change in
            switch (fault, change) {
            case (.losesDeletes, .delete): nil
            case (.confusesPrefixes, .deletePrefix(let key)): .delete(key)
            default: change
            }
        }
        return try base.commit(transaction)
    }

    func changes(since revision: Revision) throws(StorageError) -> Changes {
        let changes = try base.changes(since: revision)
        guard fault == .forgetsChanges, let last = changes.keys.max() else { return changes }
        return Changes(revision: changes.revision, keys: changes.keys.subtracting([last]))
    }

    func watch(_ onChange: @escaping @Sendable (Revision) -> Void) throws(StorageError) -> any Watch {
        try base.watch(onChange)
    }
}
