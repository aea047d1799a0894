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
        // Resets the statement and declares it ready to run, as what is bound below makes it.
        statement.setUncheckedArguments(StatementArguments())
        let handle = unsafe statement.sqliteStatement
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
                try check(unsafe sqlite3_bind_int64(handle, 3, revision))
                try statement.execute()
            }
        }
    }

    private func check(_ code: CInt) throws {
        guard code == 0 else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }
}
