import FoundationEssentials
import GRDB

/// Which conditions of a transaction the writing itself checks: an insertion that does nothing where there is a
/// record tells that a key was not absent. This saves a search for each secret of an import.
struct FoldedConditions {
    /// By condition and by change, whether they are folded.
    private(set) var conditions: [Bool]
    private(set) var changes: [Bool]

    /// Folds what stands in the same order in both lists, as in an import: conditions that keys are absent, and
    /// puts of these keys. Nothing is folded if something is deleted, which would change what a later put finds.
    init(_ transaction: Transaction) {
        conditions = Array(repeating: false, count: transaction.conditions.count)
        changes = Array(repeating: false, count: transaction.changes.count)
        let deletes = transaction.changes.contains { change in
            if case .put = change { false } else { true }
        }
        guard !deletes else { return }
        var place = 0
        for (index, condition) in transaction.conditions.enumerated() {
            guard case .absent(let key) = condition else { continue }
            let rest = transaction.changes[place...]
            let found = rest.firstIndex { change in
                if case .put(key, _) = change { true } else { false }
            }
            // The others are checked one by one. Looking for each of them to the end would take too long.
            guard let found else { return }
            conditions[index] = true
            changes[found] = true
            place = found + 1
        }
    }
}

/// The statement that puts a record, with values bound directly: thousands of records go through it in one
/// commit, and arrays of arguments would cost more than SQLite's own work.
struct Insertion {
    private let statement: Statement
    private let revision: Int64

    /// - Parameter ifAbsent: do nothing where there is a record; otherwise replace it.
    init(_ database: Database, _ revision: Int64, ifAbsent: Bool) throws {
        let onConflict =
            ifAbsent ? "NOTHING" : "UPDATE SET bytes = excluded.bytes, modified = excluded.modified"
        // Foundation's empty Data is bound as NULL.
        statement = try database.cachedStatement(
            sql: """
                INSERT INTO record(key, bytes, created, modified) VALUES (?1, ifnull(?2, x''), ?3, ?3)
                ON CONFLICT(key) DO \(onConflict)
                """)
        self.revision = revision
    }

    func put(_ key: RecordKey, _ bytes: [UInt8]) throws {
        // Resets the statement and declares it ready to run, as what is bound below makes it.
        statement.setUncheckedArguments(StatementArguments())
        // SAFETY: the statement owns SQLite's, and SQLite copies what is bound.
        try check(unsafe key.blob.bind(to: statement.sqliteStatement, at: 1))
        try check(unsafe Data(bytes).bind(to: statement.sqliteStatement, at: 2))
        try check(unsafe revision.bind(to: statement.sqliteStatement, at: 3))
        try statement.execute()
    }

    private func check(_ code: CInt) throws {
        guard code == 0 else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }
}
