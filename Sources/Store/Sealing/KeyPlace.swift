import CLinux
import Glibc

/// Whether a root key may be taken from a place at all. Which file it is can come from storage, which is hostile:
/// it may name a file whose content somebody else chooses although the file says that it is root's.
struct KeyPlace {
    let path: String

    /// File systems that make up content or owners: proc (another process's /proc/PID/environ), FUSE (any owner its
    /// server likes), sysfs, cgroups, tracefs, debugfs, configfs.
    private static let untrusted: Set<Int> = [
        0x9fa0, 0x6573_5546, 0x6265_6572, 0x0027_e0eb, 0x6367_7270, 0x7472_6163, 0x6462_6720, 0x6265_6570,
    ]

    /// How root's folders look in a user namespace in which root is not mapped; nil outside of one. There the
    /// owner of a folder cannot be told from strangers', but the file's own is still checked.
    private static let unmapped: uid_t? = {
        guard let map = firstLine(of: "/proc/self/uid_map"),
            map.split(separator: " ") != ["0", "0", "4294967295"]
        else { return nil }
        return firstLine(of: "/proc/sys/kernel/overflowuid").flatMap { uid_t($0) }
    }()

    private static func firstLine(of path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let line = bytes[..<count].prefix { $0 != UInt8(ascii: "\n") }
        return String(decoding: line, as: UTF8.self)
    }

    func check(_ descriptor: Int32) throws(RootKeyError) {
        let type = linux_file_system_type(descriptor)
        guard type >= 0 else { throw .untrustedPlace(path: path, reason: "its file system is unknown") }
        guard !Self.untrusted.contains(type) else {
            throw .untrustedPlace(path: path, reason: "its file system shows what other processes choose")
        }
        try checkFolders()
    }

    /// Who may replace a folder above the file may replace the file.
    private func checkFolders() throws(RootKeyError) {
        var folder = path
        while let slash = folder.lastIndex(of: "/") {
            folder = slash == folder.startIndex ? "/" : String(folder[..<slash])
            var status = stat()
            guard unsafe stat(folder, &status) == 0 else {
                throw .untrustedPlace(path: path, reason: "\(folder) cannot be looked at")
            }
            guard status.st_uid == geteuid() || status.st_uid == 0 || status.st_uid == Self.unmapped else {
                throw .untrustedPlace(path: path, reason: "\(folder) belongs to user \(status.st_uid)")
            }
            guard status.st_mode & 0o022 == 0 || status.st_mode & S_ISVTX != 0 else {
                let who = status.st_mode & 0o002 == 0 ? "its group" : "everybody"
                throw .untrustedPlace(path: path, reason: "\(who) may write to \(folder)")
            }
            if folder == "/" { return }
        }
    }
}
