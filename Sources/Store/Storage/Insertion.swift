import GRDB
import GRDBSQLite

/// The statement that puts a record, with values bound directly and not copied: thousands of records go through
/// it in one commit, and GRDB's arrays of arguments would cost more than SQLite's own work.
struct Insertion {
    private let statement: Statement
    private let revision: Int64

    /// - Parameter ifAbsent: do nothing where there is a record; otherwise replace it.
    init(_ database: Database, _ revision: Int64, ifAbsent: Bool) throws {
        let onConflict =
            ifAbsent ? "NOTHING" : "UPDATE SET bytes = excluded.bytes, modified = excluded.modified"
        statement = try database.cachedStatement(
            sql: """
                INSERT INTO record(key, bytes, created, modified) VALUES (?1, ?2, ?3, ?3)
                ON CONFLICT(key) DO \(onConflict)
                """)
        self.revision = revision
    }

    func put(_ key: RecordKey, _ bytes: [UInt8]) throws {
        try statement.execute(binding: key, bytes, revision)
    }
}

/// The statement that exchanges a record's bytes if nobody else has put it since.
struct Exchange {
    private let statement: Statement
    private let revision: Int64

    init(_ database: Database, _ revision: Int64) throws {
        statement = try database.cachedStatement(
            sql: "UPDATE record SET bytes = ?2, modified = ?3 WHERE key = ?1 AND modified = ?4")
        self.revision = revision
    }

    func put(_ replacement: Replacement) throws {
        // A revision that SQLite cannot hold is none that any record has.
        try statement.execute(
            binding: replacement.key, replacement.bytes, revision, replacement.since.number ?? -1)
    }
}

extension Statement {
    /// Runs the statement with a key as its first argument, bytes as its second, and then numbers.
    fileprivate func execute(binding key: RecordKey, _ bytes: [UInt8], _ numbers: Int64...) throws {
        // Resets the statement and declares it ready to run, as what is bound below makes it.
        setUncheckedArguments(StatementArguments())
        let handle = unsafe sqliteStatement
        // SAFETY: nil means that SQLite does not own what is bound; it stays where it is until the statement has run,
        // and is unbound then.
        defer { unsafe sqlite3_clear_bindings(handle) }
        try unsafe key.text.utf8Span.span.withUnsafeBytes { name in
            try unsafe bytes.withUnsafeBytes { record in
                try check(unsafe sqlite3_bind_blob(handle, 1, name.baseAddress, CInt(name.count), nil))
                // A blob without an address would be NULL.
                try check(
                    unsafe record.isEmpty
                        ? sqlite3_bind_zeroblob(handle, 2, 0)
                        : sqlite3_bind_blob(handle, 2, record.baseAddress, CInt(record.count), nil))
                for (index, number) in numbers.enumerated() {
                    try check(unsafe sqlite3_bind_int64(handle, CInt(index + 3), number))
                }
                try execute()
            }
        }
    }
}
