import CLinux
import Glibc

/// Where a store lives, and who may enter: `store.db` and its companions `store.db-wal` and `store.db-shm`,
/// mode 0600, in a state directory of mode 0700.
///
/// Nothing here opens one of these files. POSIX locks belong to a process and a file: closing any descriptor
/// of `store.db` would drop the locks of every SQLite connection that this process has to it, and another
/// process could then delete a log that is in use (https://www.sqlite.org/howtocorrupt.html, 2.2).
struct StoreFile {
    let directory: String
    var path: String { directory + "/store.db" }
    var log: String { path + "-wal" }

    init(in directory: String) {
        let trimmed =
            directory.count > 1 && directory.hasSuffix("/") ? String(directory.dropLast()) : directory
        self.directory = trimmed
    }

    /// Refuses what is not there, is not a plain file or may not be written; narrows modes that are wider.
    func prepareToOpen() throws(StorageError) {
        try narrow(path, try check(), to: 0o600)
        for name in [log, path + "-shm"] {
            if let companion = try Self.status(of: name) { try narrow(name, companion, to: 0o600) }
        }
        if let folder = try Self.status(of: directory, following: true) {
            try narrow(directory, folder, to: 0o700)
        }
    }

    /// Refuses what is not there, is not a plain file or may not be written; changes nothing.
    @discardableResult
    func check() throws(StorageError) -> stat {
        guard let found = try Self.status(of: path) else { throw .missing(path: path) }
        guard found.st_mode & S_IFMT == S_IFREG else {
            throw .unavailable(path: path, reason: "it is not a plain file")
        }
        try checkOwners(found)
        // Access is asked for on the file and on the directory, where the log is created.
        if let problem = Self.accessProblem(at: path) { throw problem }
        for name in [log, path + "-shm"] {
            if let companion = try Self.status(of: name) { try checkCompanion(name, companion) }
        }
        let journal = path + "-journal"
        guard try Self.status(of: journal) == nil else {
            throw .unavailable(path: journal, reason: "no store has such a file; move it away")
        }
        return found
    }

    /// Makes the state directory, or takes an empty one, or one that nobody else may enter.
    func prepareDirectory() throws(StorageError) {
        if unsafe mkdir(directory, 0o700) == 0 {
            // The umask may have narrowed it further than its owner can use.
            guard unsafe chmod(directory, 0o700) == 0 else { throw .system(errno, directory) }
            return
        }
        guard errno == EEXIST else { throw .system(errno, directory) }
        guard let found = try Self.status(of: directory, following: true) else {
            throw .missing(path: directory)
        }
        guard found.st_mode & S_IFMT == S_IFDIR else {
            throw .unavailable(path: directory, reason: "it is not a directory")
        }
        guard found.st_mode & 0o077 != 0 else { return }
        // Narrowing a folder that others use, such as /tmp, would harm them.
        guard found.st_uid == geteuid(), try isEmpty() else {
            let mode = String(found.st_mode & 0o7777, radix: 8)
            throw .unavailable(
                path: directory,
                reason: "others may enter it (mode 0\(mode)); choose a folder of its own, or set mode 0700")
        }
        try narrow(directory, found, to: 0o700)
    }

    /// Whoever owns the folder can put anything into it, and whoever owns the file can change it at any time.
    private func checkOwners(_ file: stat) throws(StorageError) {
        guard let folder = try Self.status(of: directory, following: true) else {
            throw .missing(path: directory)
        }
        for owner in [folder.st_uid, file.st_uid] where owner != geteuid() && owner != 0 {
            throw .unavailable(
                path: directory, reason: "it belongs to user \(owner); be that user, or chown it")
        }
    }

    /// SQLite writes into these without a look at what they are.
    private func checkCompanion(_ name: String, _ found: stat) throws(StorageError) {
        guard found.st_mode & S_IFMT == S_IFREG, found.st_nlink == 1,
            found.st_uid == geteuid() || found.st_uid == 0
        else {
            throw .unavailable(
                path: name, reason: "it is not a plain file of this user with this one name; move it away")
        }
    }

    /// Changes the very file that was looked at: a name can become a link meanwhile, and chmod(2) follows links.
    private func narrow(_ name: String, _ found: stat, to mode: mode_t) throws(StorageError) {
        guard found.st_mode & 0o777 & ~mode != 0 else { return }
        // O_PATH opens nothing: closing it drops none of SQLite's locks.
        let handle = unsafe open(name, Int32(linux_path_only) | O_CLOEXEC)
        guard handle >= 0 else { throw .system(errno, name) }
        defer { close(handle) }
        var same = stat()
        guard unsafe fstat(handle, &same) == 0, same.st_ino == found.st_ino, same.st_dev == found.st_dev
        else {
            throw .unavailable(path: name, reason: "it was replaced just now")
        }
        guard unsafe chmod("/proc/self/fd/\(handle)", found.st_mode & mode) == 0 else {
            throw .system(errno, name)
        }
    }

    private func isEmpty() throws(StorageError) -> Bool {
        guard let listing = unsafe opendir(directory) else { throw .system(errno, directory) }
        defer { unsafe closedir(listing) }
        var count = 0
        while unsafe readdir(listing) != nil { count += 1 }
        return count <= 2  // "." and ".."
    }

    /// Nil when there is nothing at `name`.
    static func status(of name: String, following: Bool = false) throws(StorageError) -> stat? {
        var found = stat()
        let result = unsafe following ? stat(name, &found) : lstat(name, &found)
        if result == 0 { return found }
        guard errno == ENOENT || errno == ENOTDIR else { throw .system(errno, name) }
        return nil
    }

    /// Why the store at `path` cannot be written; nil if nothing speaks against it.
    static func accessProblem(at path: String) -> StorageError? {
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        for name in [path, directory.isEmpty ? "/" : directory] {
            guard unsafe faccessat(AT_FDCWD, name, R_OK | W_OK, AT_EACCESS) != 0 else { continue }
            if errno == ENOENT { continue }
            return .system(errno, name)
        }
        return nil
    }

    static func isDiskFull(at path: String) -> Bool {
        var found = statvfs()
        let directory = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
        guard unsafe statvfs(directory, &found) == 0 else { return false }
        // Sixteen blocks: less than the shared index needs to grow by its step of 32 KiB and the log by a page.
        return found.f_bavail < 16
    }
}
