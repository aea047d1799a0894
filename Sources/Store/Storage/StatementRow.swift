import GRDB
import GRDBSQLite

/// The row that a statement stands on. GRDB's cursors and rows cost more than the rest of the work, for a million rows
/// and for one: nearly every request of an admin mount reads a record.
@safe struct StatementRow: ~Copyable {
    // SAFETY: made by `forEachRow`, which lends it only while the statement stands on the row.
    private let statement: SQLiteStatement

    fileprivate init(_ statement: SQLiteStatement) { unsafe self.statement = statement }

    /// - Throws: `RowDecodingError`'s equal for a file that somebody made: `SQLITE_MISMATCH`.
    func number(_ column: CInt) throws -> Int64 {
        guard unsafe sqlite3_column_type(statement, column) == SQLITE_INTEGER else {
            throw DatabaseError(resultCode: .SQLITE_MISMATCH)
        }
        return unsafe sqlite3_column_int64(statement, column)
    }

    func withBytes<R>(_ column: CInt, _ body: (RawSpan) throws -> R) rethrows -> R {
        let start = unsafe sqlite3_column_blob(statement, column)
        let count = unsafe Int(sqlite3_column_bytes(statement, column))
        return try body(unsafe RawSpan(_unsafeBytes: UnsafeRawBufferPointer(start: start, count: count)))
    }

    /// Of a row of key, bytes, created, modified.
    func record(path: String) throws -> StoredRecord {
        let key = withBytes(0) { name in unsafe name.withUnsafeBytes { unsafe RecordKey(stored: $0) } }
        guard let key else { throw StorageError.corrupt(path: path, reason: "a record's key is damaged") }
        let bytes = withBytes(1) { bytes in unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) } }
        return try StoredRecord(
            key: key, bytes: bytes, created: try number(2), modified: try number(3), path: path)
    }
}

extension Statement {
    /// Runs the statement with `numbers` as its arguments, and calls `body` with each row until that answers false.
    func forEachRow(_ numbers: Int64..., body: (borrowing StatementRow) throws -> Bool) throws {
        try unsafe begin { handle in
            for (index, number) in numbers.enumerated() {
                try check(unsafe sqlite3_bind_int64(handle, CInt(index + 1), number))
            }
            try unsafe step(handle, body)
        }
    }

    /// As `forEachRow`, with a key as the only argument.
    func forEachRow(of key: RecordKey, body: (borrowing StatementRow) throws -> Bool) throws {
        try unsafe begin { handle in
            // SAFETY: nil means that SQLite does not own what is bound; it stays where it is until the statement has
            // run, and is unbound then.
            try unsafe key.text.utf8Span.span.withUnsafeBytes { name in
                try check(unsafe sqlite3_bind_blob(handle, 1, name.baseAddress, CInt(name.count), nil))
                try unsafe step(handle, body)
            }
        }
    }

    private func begin(_ body: (SQLiteStatement) throws -> Void) throws {
        // Resets the statement and declares it ready to run, as what is bound then makes it.
        setUncheckedArguments(StatementArguments())
        let handle = unsafe sqliteStatement
        defer {
            unsafe sqlite3_reset(handle)
            unsafe sqlite3_clear_bindings(handle)
        }
        try unsafe body(handle)
    }

    private func step(_ handle: SQLiteStatement, _ body: (borrowing StatementRow) throws -> Bool) throws {
        while true {
            let code = unsafe sqlite3_step(handle)
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { return try check(code) }
            guard try body(unsafe StatementRow(handle)) else { return }
        }
    }

    func check(_ code: CInt) throws {
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }
}
