import GRDB
import Glibc

extension StoreFile {
    /// Makes an empty store where there is none. Of two that try at once, exactly one succeeds.
    ///
    /// The file is built whole under a name of its own and then linked into place, so that a crash leaves
    /// either a store or none.
    /// - Throws: `.exists`; `.unavailable` when the log of a lost store lies in the way.
    func create() throws(StorageError) {
        try prepareDirectory()
        try checkVacant()
        let draft = try makeDraft()
        defer { removeDraft(draft) }
        try SQLiteConnection.buildStore(at: draft)
        try adopt(draft)
    }

    /// - Throws: `.exists`; `.unavailable` when the log of a lost store lies in the way.
    func checkVacant() throws(StorageError) {
        // This order: a log that appears with a store that was made meanwhile is not a stray one.
        let names = [log, path + "-journal"]
        var strays: [String] = []
        for name in names where try Self.status(of: name) != nil { strays.append(name) }
        guard try Self.status(of: path) == nil else { throw .exists(path: path) }
        if let stray = strays.first {
            // SQLite would replay another store's commits into ours.
            throw .unavailable(path: stray, reason: "it is left of a store that is gone; move it away first")
        }
    }

    /// Makes the whole and closed store at `draft`, on the same file system, the one of this place. Its first name
    /// stays.
    func adopt(_ draft: String) throws(StorageError) {
        guard unsafe chmod(draft, 0o600) == 0 else { throw .system(errno, draft) }
        guard unsafe link(draft, path) == 0 else {
            throw errno == EEXIST ? .exists(path: path) : .system(errno, path)
        }
        try Self.sync(directory, Int32(O_DIRECTORY))
    }

    /// An empty file of mode 0600 whose name nobody else has.
    private func makeDraft() throws(StorageError) -> String {
        let name = directory + "/.store-new-" + String(UInt64.random(in: 0...(.max)), radix: 16)
        let descriptor = unsafe Glibc.open(name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system(errno, directory) }
        // No connection has this file yet, so closing it drops no lock.
        close(descriptor)
        return name
    }

    private func removeDraft(_ draft: String) {
        for name in [draft, draft + "-wal", draft + "-shm"] { unsafe unlink(name) }
    }

    /// Makes the content of a file, or the names in a directory, survive a power cut. Only for files that no
    /// connection of this process has open: closing one drops their locks.
    static func sync(_ path: String, _ flags: Int32 = 0) throws(StorageError) {
        let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | flags)
        guard descriptor >= 0 else { throw .system(errno, path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system(errno, path) }
    }
}
