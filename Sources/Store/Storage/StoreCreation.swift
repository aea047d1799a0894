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
        // This order: a log that appears with a store that was made meanwhile is not a stray one.
        let strayLog = try Self.status(of: log) != nil
        guard try Self.status(of: path) == nil else { throw .exists(path: path) }
        guard !strayLog else {
            // SQLite would replay another store's commits into ours.
            throw .unavailable(path: log, reason: "it is left of a store that is gone; move it away first")
        }
        let draft = try makeDraft()
        defer { removeDraft(draft) }
        try SQLiteConnection.buildStore(at: draft)
        guard unsafe chmod(draft, 0o600) == 0 else { throw .system(errno, draft) }
        guard unsafe link(draft, path) == 0 else {
            throw errno == EEXIST ? .exists(path: path) : .system(errno, path)
        }
        try syncDirectory()
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

    /// Makes the new name survive a power cut.
    private func syncDirectory() throws(StorageError) {
        let descriptor = unsafe Glibc.open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(errno, directory) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw .system(errno, directory) }
    }
}
