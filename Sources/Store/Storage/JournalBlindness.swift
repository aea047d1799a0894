import GRDBSQLite
import Glibc

/// SQLite as it is, but it never finds a rollback journal.
///
/// A store works with a write-ahead log and never has one. If somebody who can write to storage puts one there,
/// SQLite would write its pages into the store and then delete the file that it names as its super-journal,
/// whatever that is, with our rights (https://www.sqlite.org/fileformat2.html, 3).
enum JournalBlindness {
    /// Makes it the way in which this process opens every database.
    ///
    /// - Returns: SQLite's result; anything but 0 means that nothing may be opened.
    static let established: CInt = {
        guard let base = unsafe sqlite3_vfs_find(nil), let name = unsafe strdup("secretfs") else {
            return SQLITE_NOMEM
        }
        // SAFETY: both live as long as the process.
        let blind = UnsafeMutablePointer<sqlite3_vfs>.allocate(capacity: 1)
        unsafe blind.initialize(to: base.pointee)
        unsafe blind.pointee.zName = UnsafePointer(name)
        unsafe blind.pointee.pNext = nil
        unsafe blind.pointee.xAccess = { _, path, flags, result in
            guard let path = unsafe path, let result = unsafe result,
                let unix = unsafe sqlite3_vfs_find("unix"), let access = unsafe unix.pointee.xAccess
            else { return SQLITE_IOERR }
            let length = unsafe strlen(path)
            let isJournal = unsafe length >= 8 && strcmp(path + length - 8, "-journal") == 0
            guard !isJournal else {
                unsafe result.pointee = 0
                return SQLITE_OK
            }
            return unsafe access(unix, path, flags, result)
        }
        return unsafe sqlite3_vfs_register(blind, 1)
    }()
}
