import CLinux
import Glibc

/// A directory that is held while it is checked and mounted on, so that no rename or symbolic link can
/// put another in its place.
struct MountPoint: ~Copyable {
    /// Opened with O_PATH.
    let descriptor: Int32
    /// Absolute and without symbolic links.
    let path: String

    /// - Throws: `.pointMissing`, `.pointNotDirectory`, `.system`.
    init(opening path: String) throws(MountError) {
        descriptor = unsafe Glibc.open(path, Int32(linux_o_path) | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else {
            switch errno {
            case ENOENT: throw .pointMissing(path)
            case ENOTDIR: throw .pointNotDirectory(path)
            default: throw .system(call: "open \(path)", errno: errno)
            }
        }
        self.path = readLink("/proc/self/fd/\(descriptor)") ?? path
    }
    deinit { close(descriptor) }

    /// The way for mount(2) to the very directory that was checked.
    var handlePath: String { "/proc/self/fd/\(descriptor)" }

    /// - Throws: `.alreadyMounted`, `.insideOurs`, `.pointNotEmpty`, `.pointNotReadable`, `.system`.
    func check() throws(MountError) {
        try checkPlace()
        try checkEmpty()
    }

    /// By the mount's number and never by asking the file system: that may be one of ours and not answer.
    private func checkPlace() throws(MountError) {
        let found: MountEntry?
        do {
            let number = try mountNumber(of: descriptor)
            let mounts = try readFile("/proc/self/mountinfo")
            found = number.flatMap { MountTable.entry(numbered: $0, parsing: mounts) }
        } catch {
            throw .system(call: "read /proc/self/mountinfo", errno: error.errno)
        }
        guard let entry = found else { return }
        if entry.point == path { throw .alreadyMounted(path, type: entry.type) }
        if entry.type == MountTable.ourType { throw .insideOurs(path, mount: entry.point) }
    }

    private func checkEmpty() throws(MountError) {
        let readable = unsafe Glibc.open(handlePath, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard readable >= 0 else {
            throw errno == EACCES ? .pointNotReadable(path) : .system(call: "open \(path)", errno: errno)
        }
        guard let directory = unsafe fdopendir(readable) else {
            let failure = errno
            close(readable)
            throw .system(call: "read \(path)", errno: failure)
        }
        defer { unsafe closedir(directory) }
        // `.` and `..` are always there.
        for _ in 0..<2 where unsafe Glibc.readdir(directory) == nil { return }
        if unsafe Glibc.readdir(directory) != nil { throw .pointNotEmpty(path) }
    }
}

func readLink(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        guard let start = bytes.baseAddress else { return 0 }
        return unsafe readlink(path, start.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return count > 0 ? String(decoding: buffer.prefix(count), as: UTF8.self) : nil
}

/// The kernel's number of the mount that a descriptor is on, as in mountinfo.
func mountNumber(of descriptor: Int32) throws(MountTableError) -> Int? {
    let bytes = try readFile("/proc/self/fdinfo/\(descriptor)")
    for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
        let fields = line.split(separator: "\t")
        if fields.count == 2, fields[0] == "mnt_id:" { return Int(fields[1]) }
    }
    return nil
}
