import GRDB

/// The commits of one connection. Threads that commit at the same time share a transaction of SQLite's, and so its
/// fsync: each of their transactions still is one revision, all of it or nothing, and durable when its thread goes on.
struct SQLiteCommits: Sendable {
    private typealias Outcome = Result<Revision, StorageError>
    /// Of one file lock and one fsync: some milliseconds.
    private static let maximum = 64

    private let connection: SQLiteConnection
    private let turn = SharedTurn<Transaction, Outcome>(atMost: maximum)

    init(_ connection: SQLiteConnection) { self.connection = connection }

    func make(_ transaction: Transaction) throws(StorageError) -> Revision {
        try turn.take(transaction) { transactions in
            guard transactions.count > 1 else { return transactions.map(alone) }
            do throws(StorageError) { return try together(transactions) } catch {
                // Nothing of it was made. What one of them brought about must not be the others' failure.
                return transactions.map(alone)
            }
        }.get()
    }

    private func alone(_ transaction: Transaction) -> Outcome {
        let path = connection.path
        return Outcome { () throws(StorageError) in
            // Immediate: conditions are checked under the write lock, so that what was checked still holds.
            try connection.transact(.immediate) { database in
                var commit = try SQLiteCommit(database, path: path)
                return try commit.make(transaction)
            }
        }
    }

    /// - Throws: what is no conflict; then none of `transactions` was made.
    private func together(_ transactions: [Transaction]) throws(StorageError) -> [Outcome] {
        let path = connection.path
        return try connection.transact(.immediate) { database in
            var outcomes: [Outcome] = []
            for transaction in transactions {
                try database.cachedStatement(sql: "SAVEPOINT one").execute()
                var isKept = false
                do {
                    var commit = try SQLiteCommit(database, path: path)
                    let (revision, completion) = try commit.make(transaction)
                    isKept = completion == .commit
                    outcomes.append(.success(revision))
                } catch StorageError.conflict(let key) {
                    outcomes.append(.failure(.conflict(key)))
                }
                if !isKept { try database.cachedStatement(sql: "ROLLBACK TO one").execute() }
                try database.cachedStatement(sql: "RELEASE one").execute()
            }
            return (outcomes, .commit)
        }
    }
}
