import GRDB
import Glibc

extension SQLiteStorage {
    /// Page by page with SQLite's online backup. `VACUUM INTO` would make a smaller file, but it builds every index
    /// anew (several times the work), tells nothing of its progress, and a page that it cannot read leaves nothing
    /// to look at. Pages that were freed hold zeros (`secure_delete`).
    ///
    /// The copy is read in one transaction, so that commits of others neither show in it nor start it again, as they
    /// do without one. While it lasts, the store's log cannot be made shorter.
    package func backUp(to path: String, onProgress: (Progress) -> Bool) throws(StorageError) {
        // Nobody takes a copy that is cut off for a whole one, so there is nothing to keep a journal for; durable
        // it is made once, at the end.
        let target = try SQLiteConnection(path) { database in
            try database.execute(sql: "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")
        }
        let source = connection
        try source.read { database in
            // A transaction sees what was newest at its first read.
            _ = try StoreState(database, path: source.path)
            try target.queue.writeWithoutTransaction { copy in
                do {
                    try Self.copy(database, to: copy, onProgress)
                } catch let error as DatabaseError where Self.isOfTarget(error) {
                    throw StorageError(error, path: path)
                }
            }
        }
        try target.close()
        try StoreFile.sync(path)
    }

    private static func copy(
        _ database: Database, to copy: Database, _ onProgress: (Progress) -> Bool
    ) throws {
        try withoutActuallyEscaping(onProgress) { onProgress in
            try database.backup(to: copy, pagesPerStep: pagesPerStep) { step in
                let progress = Progress(done: step.completedPageCount, total: step.totalPageCount)
                guard onProgress(progress) else { throw StorageError.cancelled }
            }
        }
    }

    /// 4 MiB.
    private static let pagesPerStep: CInt = 1024

    /// The source is only read, the target only written.
    private static func isOfTarget(_ error: DatabaseError) -> Bool {
        switch error.extendedResultCode {
        case .SQLITE_IOERR_READ, .SQLITE_IOERR_SHORT_READ: false
        case let code: [.SQLITE_FULL, .SQLITE_IOERR, .SQLITE_READONLY].contains(code.primaryResultCode)
        }
    }

    /// How many records there are.
    package func countAll() throws(StorageError) -> Int {
        try connection.read { database in
            try Int.fetchOne(database, sql: "SELECT count(*) FROM record") ?? 0
        }
    }

    /// Ends its connections, and with the last one of all the log. Nothing can be asked of it after that.
    package func close() throws(StorageError) {
        try readers.close()
        try connection.close()
    }
}

extension SQLiteConnection {
    func close() throws(StorageError) {
        do { try queue.close() } catch { throw StorageError(error, path: path) }
    }
}
