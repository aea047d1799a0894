import Store

/// A storage that does one thing wrong, to prove that the model notices.
struct BrokenStorage: Storage {
    enum Fault: CaseIterable {
        case ignoresConditions, losesDeletes, confusesPrefixes, losesBytes, forgetsChanges, countsKeysOnly,
            losesPages, losesHeads,
            overwritesOthers, tellsReplacements
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

    func keys(of prefix: RecordKey, limit: Int) throws(StorageError) -> [RecordKey] {
        try base.keys(of: prefix, limit: limit)
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

    func page(after end: Page.End?, _ limit: PageLimit) throws(StorageError) -> Page {
        let page = try base.page(after: end, limit)
        guard fault == .losesPages, page.records.count > 2 else { return page }
        return Page(revision: page.revision, records: Array(page.records.dropFirst()), end: page.end)
    }

    func forEachHead(_ count: Int, _ body: (RawSpan, RawSpan) -> Void) throws(StorageError) {
        var isFirst = true
        try base.forEachHead(count) { key, head in
            if fault != .losesHeads || !isFirst { body(key, head) }
            isFirst = false
        }
    }

    func replace(
        _ replacements: [Replacement], if conditions: [Transaction.Condition]
    ) throws(StorageError) -> Int {
        switch fault {
        case .overwritesOthers:
            var newest: [Replacement] = []
            for replacement in replacements {
                guard let record = try base.read([.key(replacement.key)], at: nil).records.first else {
                    continue
                }
                newest.append(Replacement(key: record.key, bytes: replacement.bytes, since: record.modified))
            }
            return try base.replace(newest, if: conditions)
        case .tellsReplacements:
            let changes = replacements.map { Transaction.Change.put($0.key, $0.bytes) }
            let unchanged = replacements.map { Transaction.Condition.unchanged($0.key, since: $0.since) }
            do { try base.commit(Transaction(if: conditions + unchanged, then: changes)) } catch .conflict {
                return 0
            }
            return replacements.count
        default: return try base.replace(replacements, if: conditions)
        }
    }

    func changes(since revision: Revision) throws(StorageError) -> Changes {
        let changes = try base.changes(since: revision)
        guard fault == .forgetsChanges, let last = changes.keys.max() else { return changes }
        return Changes(revision: changes.revision, keys: changes.keys.subtracting([last]))
    }

    func watch(_ onChange: @escaping @Sendable (Revision) -> Void) throws(StorageError) -> any Watch {
        try base.watch(onChange)
    }

    func backUp(to path: String, onProgress: (Progress) -> Bool) throws(StorageError) {
        try base.backUp(to: path, onProgress: onProgress)
    }
}
