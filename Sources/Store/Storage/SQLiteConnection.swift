import GRDB
import GRDBSQLite

/// One connection to a store's file, with the settings that every connection has.
struct SQLiteConnection: Sendable {
    let queue: DatabaseQueue
    let path: String

    /// `SFS1` in ASCII, in the header of the file where file(1) and SQLite keep it.
    static let applicationID: Int32 = 0x5346_5331
    /// Grows with every change that an older program would misread; docs/FORMAT.md.
    static let formatVersion = 1
    /// How long a command waits for another process, in seconds.
    static let patience = 5.0

    /// No row of ours is longer, in bytes: a longer one in a file that somebody made is an error, and never read.
    static let maximumRow: Int32 = 1_310_720

    /// Opens a store that exists.
    ///
    /// - Throws: `.corrupt` for a file that is no store, `.newerFormat`.
    init(opening path: String, patience: Double = SQLiteConnection.patience) throws(StorageError) {
        try self.init(path, patience: patience) { database in
            try Self.checkFormat(database, path)
            try Self.applySettings(database, path)
        }
    }

    /// As above, for reading only. What it remembers of the file is small: there are several of it.
    init(reading path: String) throws(StorageError) {
        try self.init(path, isHeld: true) { database in
            try Self.checkFormat(database, path)
            try Self.applySettings(database, path)
            try database.execute(sql: "PRAGMA query_only = ON; PRAGMA cache_size = -1024")
        }
    }

    /// - Parameter isHeld: a transaction may go on from one use of it to the next.
    init(
        _ path: String, patience: Double = SQLiteConnection.patience, isHeld: Bool = false,
        setUp: @escaping @Sendable (Database) throws -> Void
    ) throws(StorageError) {
        self.path = path
        guard JournalBlindness.established == SQLITE_OK else {
            throw .unavailable(path: path, reason: "SQLite cannot be set up")
        }
        var configuration = Configuration()
        configuration.busyMode = .timeout(patience)
        configuration.foreignKeysEnabled = false
        configuration.publicStatementArguments = false
        configuration.allowsUnsafeTransactions = isHeld
        configuration.prepareDatabase { database in
            unsafe sqlite3_limit(database.sqliteConnection, SQLITE_LIMIT_LENGTH, Self.maximumRow)
            try setUp(database)
        }
        do { queue = try DatabaseQueue(path: path, configuration: configuration) } catch {
            throw StorageError(error, path: path)
        }
    }

    /// From now on, a lock that another connection holds is `.busy` at once.
    func stopWaiting() throws(StorageError) {
        try use { database in try database.execute(sql: "PRAGMA busy_timeout = 0") }
    }

    /// Calls `body` with the connection; one caller at a time.
    func use<Result>(_ body: (Database) throws -> Result) throws(StorageError) -> Result {
        do { return try queue.writeWithoutTransaction(body) } catch { throw StorageError(error, path: path) }
    }

    /// Calls `body` in a read transaction: all that it reads is of one moment.
    func read<Result>(_ body: (Database) throws -> Result) throws(StorageError) -> Result {
        try transact(.deferred) { database in (try body(database), .commit) }
    }

    /// Calls `body` in a transaction, which ends as `body` says; if it throws, nothing was done.
    func transact<Result>(
        _ kind: Database.TransactionKind,
        _ body: (Database) throws -> (Result, Database.TransactionCompletion)
    ) throws(StorageError) -> Result {
        try use { database in
            // As `inTransaction` does, but with statements that are compiled once.
            try database.cachedStatement(sql: "BEGIN \(kind.rawValue)").execute()
            do {
                let (result, completion) = try body(database)
                try database.cachedStatement(sql: completion == .commit ? "COMMIT" : "ROLLBACK").execute()
                return result
            } catch {
                // SQLite has rolled back already after some errors, such as a full disk.
                if database.isInsideTransaction { try database.rollback() }
                throw error
            }
        }
    }

    /// Begins a read transaction that goes on until `endReading`: what is read by `use` meanwhile is of one moment.
    func beginReading() throws(StorageError) {
        try use { try $0.cachedStatement(sql: "BEGIN DEFERRED").execute() }
    }

    func endReading() throws(StorageError) {
        try use { database in
            // SQLite has rolled back already after some errors.
            if database.isInsideTransaction { try database.cachedStatement(sql: "COMMIT").execute() }
        }
    }

    private static func checkFormat(_ database: Database, _ path: String) throws {
        let application = try Int32.fetchOne(database, sql: "PRAGMA application_id")
        guard application == applicationID else {
            throw StorageError.corrupt(path: path, reason: "it is not a SecretFS store")
        }
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard version <= formatVersion else {
            throw StorageError.newerFormat(path: path, found: version, known: formatVersion)
        }
        guard version == formatVersion else {
            throw StorageError.corrupt(
                path: path, reason: "its format number is \(version), which never was in use")
        }
        try checkSchema(database, path)
    }

    /// A trigger or a view that somebody put into the file would run inside our statements, and could undo a
    /// write that we acknowledge.
    private static func checkSchema(_ database: Database, _ path: String) throws {
        let rows = try Row.fetchAll(database, sql: "SELECT type, sql FROM sqlite_schema")
        let isOurs = try rows.allSatisfy { row in
            // The index of a UNIQUE column has no statement of its own.
            let type = try row.decode(String.self, atIndex: 0)
            guard let sql = try row.decode(String?.self, atIndex: 1) else { return type == "index" }
            return type == "table" && schema.contains(sql)
        }
        guard isOurs, rows.count == 4 else {
            throw StorageError.corrupt(
                path: path, reason: "it has tables or triggers that are not of a store")
        }
    }

    /// The cache holds sealed pages. At its default of 2 MB, an import writes and reads pages again and again.
    private static func applySettings(_ database: Database, _ path: String) throws {
        let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        guard mode == "wal" else {
            throw StorageError.unavailable(
                path: path, reason: "its file system does not support a write-ahead log")
        }
        try database.execute(
            sql: """
                PRAGMA synchronous = FULL;
                PRAGMA secure_delete = ON;
                PRAGMA trusted_schema = OFF;
                PRAGMA cell_size_check = ON;
                PRAGMA journal_size_limit = 16777216;
                PRAGMA cache_size = -16384;
                """)
    }

    /// Writes an empty store into the empty file at `path` and closes it; durable when this returns.
    static func buildStore(at path: String) throws(StorageError) {
        let connection = try SQLiteConnection(path) { database in try applySettings(database, path) }
        try connection.transact(.exclusive) { database in
            try database.execute(sql: schema)
            return ((), .commit)
        }
        // Closing moves the log into the file and deletes it.
        do { try connection.queue.close() } catch { throw StorageError(error, path: path) }
    }

    /// Keys are BLOBs, so that their bytes are compared by memcmp and NUL is a byte like any other.
    ///
    /// `record` keeps its rowid: measured with 1,000,000 records of 200 bytes, a table WITHOUT ROWID is 14 %
    /// smaller and reads 10 % faster, but at 2,000 bytes it is three times slower, and counting takes 2.5 to
    /// 35 times as long.
    ///
    /// `state` has one row, which is `StoreState`. Most commits do not write it: the newest revision is that of
    /// the newest change, so that a commit of one record writes three pages to the log.
    private static let schema = """
        PRAGMA application_id = \(applicationID);
        PRAGMA user_version = \(formatVersion);
        CREATE TABLE record(
            key BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL
        ) STRICT;
        CREATE TABLE change(revision INTEGER PRIMARY KEY, count INTEGER NOT NULL, keys BLOB NOT NULL) STRICT;
        CREATE TABLE state(
            id INTEGER PRIMARY KEY CHECK (id = 1),
            forgotten INTEGER NOT NULL, changes INTEGER NOT NULL, counted INTEGER NOT NULL
        ) STRICT;
        INSERT INTO state VALUES (1, 0, 0, 0);
        """
}
