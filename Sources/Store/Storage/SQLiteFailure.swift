import GRDB
import Glibc

extension StorageError {
    /// What an error of SQLite or GRDB means for a store at `path`.
    ///
    /// Only the result code and SQLite's fixed words for it are kept. A message, a statement or its arguments
    /// could carry record bytes into a log (R1).
    /// - Source: https://www.sqlite.org/rescode.html
    init(_ error: any Error, path: String) {
        if let known = error as? StorageError {
            self = known
        } else if let failure = error as? DatabaseError {
            self = Self.meaning(of: failure.extendedResultCode, path: path)
        } else {
            // RowDecodingError: a column holds what no version of this program puts there.
            self = .corrupt(path: path, reason: "a stored row has an unexpected shape")
        }
    }

    private static func meaning(of code: ResultCode, path: String) -> StorageError {
        let words = "SQLite \(code)"
        switch code {
        case .SQLITE_READONLY_DBMOVED:
            return .unavailable(
                path: path,
                reason: "the file was moved or replaced while it was open; start the program again")
        case .SQLITE_NOMEM, .SQLITE_IOERR_NOMEM:
            return .unavailable(path: path, reason: "there is not enough memory (\(words))")
        default: break
        }
        switch code.primaryResultCode {
        case .SQLITE_FULL: return .full(path: path)
        case .SQLITE_BUSY, .SQLITE_LOCKED: return .busy(path: path)
        case .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_CONSTRAINT, .SQLITE_MISMATCH, .SQLITE_TOOBIG:
            return .corrupt(path: path, reason: words)
        // Only a file without our tables makes statements that are fixed fail to compile.
        case .SQLITE_ERROR:
            return .corrupt(path: path, reason: "its tables are not those of a store (\(words))")
        case .SQLITE_READONLY, .SQLITE_PERM, .SQLITE_AUTH:
            return StoreFile.accessProblem(at: path) ?? .readOnly(path: path)
        case .SQLITE_CANTOPEN:
            return StoreFile.accessProblem(at: path) ?? .unavailable(path: path, reason: words)
        case .SQLITE_IOERR:
            // SQLite says FULL when a write fails for want of space, but IOERR when its shared index cannot grow.
            return StoreFile.isDiskFull(at: path)
                ? .full(path: path) : .unavailable(path: path, reason: words)
        default: return .unavailable(path: path, reason: words)
        }
    }
}

extension StorageError {
    /// What `errno` means for `path`.
    static func system(_ number: Int32, _ path: String) -> StorageError {
        switch number {
        case ENOENT, ENOTDIR: .missing(path: path)
        case EACCES, EPERM: .permission(path: path)
        case EROFS: .readOnly(path: path)
        case ENOSPC, EDQUOT: .full(path: path)
        default: .unavailable(path: path, reason: unsafe String(cString: strerror(number)))
        }
    }
}
