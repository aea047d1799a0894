import FoundationEssentials
import GRDB

/// Makes one transaction's changes, inside one of SQLite's.
struct SQLiteCommit {
    let database: Database
    let path: String
    private var state: StoreState
    /// The revision that this commit makes, if it changes something.
    private let next: Int64
    private var changed: [RecordKey] = []
    private let insertion: Insertion
    private let replacement: Insertion

    init(_ database: Database, path: String) throws {
        self.database = database
        self.path = path
        state = try StoreState(database, path: path)
        next = state.revision + 1
        insertion = try Insertion(database, next, ifAbsent: true)
        replacement = try Insertion(database, next, ifAbsent: false)
    }

    /// - Returns: the newest revision, and whether anything is to be committed.
    mutating func make(_ transaction: Transaction) throws -> (Revision, Database.TransactionCompletion) {
        do {
            let folded = FoldedConditions(transaction)
            for (condition, isFolded) in zip(transaction.conditions, folded.conditions) where !isFolded {
                try check(condition)
            }
            changed.reserveCapacity(transaction.changes.count)
            for (change, isFolded) in zip(transaction.changes, folded.changes) {
                try make(change, ifAbsent: isFolded)
            }
        } catch StorageError.conflict(let key) {
            throw try firstConflict(transaction.conditions) ?? .conflict(key)
        }
        guard !changed.isEmpty else { return (Revision(state.revision), .rollback) }
        try ChangeWindow(database).note(changed, after: &state)
        return (Revision(next), .commit)
    }

    /// - Returns: how many were exchanged, and whether anything is to be committed.
    mutating func replace(
        _ replacements: [Replacement], if conditions: [Transaction.Condition]
    ) throws -> (Int, Database.TransactionCompletion) {
        for condition in conditions { try check(condition) }
        let exchange = try Exchange(database, next)
        var count = 0
        for replacement in replacements {
            try exchange.put(replacement)
            count += database.changesCount
        }
        guard count > 0 else { return (0, .rollback) }
        // A revision without keys: nothing that anybody shows has changed.
        try ChangeWindow(database).note([], after: &state)
        return (count, .commit)
    }

    /// The first condition that does not hold; also after some of our writes.
    private func firstConflict(_ conditions: [Transaction.Condition]) throws -> StorageError? {
        for condition in conditions {
            do { try check(condition) } catch let conflict as StorageError { return conflict }
        }
        return nil
    }

    private func check(_ condition: Transaction.Condition) throws {
        switch condition {
        case .absent(let key):
            // What the next revision created, we have just made: it was absent before.
            let found = try revisions(of: key)
            guard found == nil || found?.created == next else { throw StorageError.conflict(key) }
        case .unchanged(let key, let since):
            // What the next revision put, we have just put, after its conditions were found to hold.
            let found = try revisions(of: key)?.modified
            guard let found, found == since.number || found == next else {
                throw StorageError.conflict(key)
            }
        }
    }

    private func revisions(of key: RecordKey) throws -> (created: Int64, modified: Int64)? {
        let statement = try database.cachedStatement(
            sql: "SELECT created, modified FROM record WHERE key = ?")
        var found: (created: Int64, modified: Int64)?
        try statement.forEachRow(of: key) { row in
            found = (try row.number(0), try row.number(1))
            return false
        }
        return found
    }

    /// - Throws: `.conflict` for a put that is made only if the key is absent, and it is not.
    private mutating func make(_ change: Transaction.Change, ifAbsent: Bool) throws {
        switch change {
        case .put(let key, let bytes):
            try (ifAbsent ? insertion : replacement).put(key, bytes)
            if ifAbsent, database.changesCount == 0 {
                // Unless we have put it ourselves: then this put replaces that one.
                try check(.absent(key))
                try replacement.put(key, bytes)
            }
            changed.append(key)
        case .delete(let key):
            if try run("DELETE FROM record WHERE key = ?", [key.blob]) > 0 { changed.append(key) }
        case .deletePrefix(let prefix):
            let range: StatementArguments = [prefix.blob, prefix.blobAfterPrefix]
            let statement = try database.cachedStatement(
                sql: "SELECT key FROM record WHERE key >= ? AND key < ? ORDER BY key")
            let rows = try Row.fetchCursor(statement, arguments: range)
            while let row = try rows.next() { changed.append(try RecordKey(row, path: path)) }
            try run("DELETE FROM record WHERE key >= ? AND key < ?", range)
        }
    }

    /// - Returns: how many rows changed.
    @discardableResult
    private func run(_ sql: String, _ arguments: StatementArguments) throws -> Int {
        try database.cachedStatement(sql: sql).execute(arguments: arguments)
        return database.changesCount
    }
}
