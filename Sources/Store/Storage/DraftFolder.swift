import CLinux
import Glibc

/// A folder of mode 0700 for a store that is not ready, gone at the end of its scope. In a folder of its own nobody
/// can put a log or a link beside the file for SQLite to follow, and the file can be opened as any store.
struct DraftFolder: ~Copyable {
    let path: String
    var file: StoreFile { StoreFile(in: path) }

    /// Makes it below `parent`, and in it an empty file.
    ///
    /// - Throws: `.unavailable` where other users could put another folder in its place.
    init(below parent: String) throws(StorageError) { path = try Self.make(below: parent) }

    deinit { Self.remove(path) }

    private static func make(below parent: String) throws(StorageError) -> String {
        try checkParent(parent)
        let name = ".secretfs-new-" + String(repeating: "X", count: 6)
        var template = Array("\(parent)/\(name)".utf8CString)
        guard unsafe mkdtemp(&template) != nil else { throw .system(errno, parent) }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        do throws(StorageError) {
            // The umask may have narrowed it further than its owner can use.
            guard unsafe chmod(path, 0o700) == 0 else { throw .system(errno, parent) }
            let file = StoreFile(in: path).path
            let descriptor = unsafe open(file, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw .system(errno, parent) }
            defer { close(descriptor) }
            guard fchmod(descriptor, 0o600) == 0 else { throw .system(errno, parent) }
        } catch {
            remove(path)
            throw error
        }
        return path
    }

    private static func remove(_ path: String) {
        let file = StoreFile(in: path).path
        for name in [file, file + "-wal", file + "-shm", file + "-journal"] { unsafe unlink(name) }
        unsafe rmdir(path)
    }

    /// The owner of the folder, and those whom it lets write, are trusted with what is put there.
    private static func checkParent(_ parent: String) throws(StorageError) {
        guard let found = try StoreFile.status(of: parent, following: true) else {
            throw .missing(path: parent)
        }
        guard found.st_mode & S_IFMT == S_IFDIR else {
            throw .unavailable(path: parent, reason: "it is not a directory")
        }
        guard found.st_mode & S_IWOTH == 0 || found.st_mode & S_ISVTX != 0 else {
            throw .unavailable(
                path: parent, reason: "every user may replace files in it; choose another folder")
        }
    }

    /// Gives the file the name `target`, on the same file system, durably.
    ///
    /// - Throws: `.exists` unless it may replace what is there.
    func move(to target: String, in parent: String, replacing: Bool) throws(StorageError) {
        let source = file.path
        if replacing {
            guard unsafe rename(source, target) == 0 else { throw .system(errno, target) }
        } else if unsafe linux_rename_new(source, target) != 0 {
            guard errno == EINVAL || errno == ENOSYS else {
                throw errno == EEXIST ? .exists(path: target) : .system(errno, target)
            }
            // The file system cannot tell; a link never replaces.
            guard unsafe link(source, target) == 0 else {
                throw errno == EEXIST ? .exists(path: target) : .system(errno, target)
            }
        }
        try StoreFile.sync(parent, Int32(O_DIRECTORY))
    }
}
