import Glibc

/// What /proc tells about the processes that write: FUSE tells of each close of a descriptor, not which is the last
/// one. Nothing in here touches a mount.
enum WriterProcess {
    /// PF_EXITING of include/linux/sched.h.
    private static let exiting: UInt64 = 0x4
    /// O_PATH of asm-generic/fcntl.h: a descriptor that only names a file.
    private static let nameOnly: Int32 = 0o10000000
    /// More than any process is looked at for.
    private static let maximumDescriptors = 4096

    /// The process of `thread`; 0 if it cannot be told (another pid namespace).
    static func process(of thread: Int32) -> Int32 {
        guard thread > 0, let status = text("/proc/\(thread)/status") else { return 0 }
        for line in status.split(separator: "\n") where line.hasPrefix("Tgid:") {
            return Int32(line.dropFirst(5).filter(\.isNumber)) ?? 0
        }
        return 0
    }

    /// Whether the process of `thread` is ending because a signal killed it: what it wrote may be half of what it
    /// wanted to write. One that cannot be looked at counts as alive.
    static func wasKilled(_ thread: Int32) -> Bool {
        guard thread > 0, let status = text("/proc/\(thread)/stat") else { return false }
        // proc(5): after the program's name in parentheses, which may hold anything, come fields 3 and on.
        guard let end = status.lastIndex(of: ")") else { return false }
        let fields = status[status.index(after: end)...].split { $0 == " " || $0 == "\n" }
        guard fields.count > 49, let flags = UInt64(fields[6]), let code = UInt64(fields[49]) else {
            return false
        }
        // wait(2): the low seven bits are the signal.
        return flags & exiting != 0 && code & 0x7F != 0
    }

    /// Whether `process` has a descriptor of inode `number` that can be written to. One that cannot be looked at has none.
    ///
    /// - Parameter number: unlike any of another file system.
    static func holds(_ number: UInt64, process: Int32) -> Bool {
        guard process > 0, let directory = unsafe opendir("/proc/\(process)/fdinfo") else { return false }
        defer { unsafe closedir(directory) }
        let line = "ino:\t\(number)"
        for _ in 0..<maximumDescriptors {
            guard let entry = unsafe readdir(directory) else { return false }
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: unsafe Array(bytes).prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let descriptor = Int32(name) else { continue }
            let lines = text("/proc/\(process)/fdinfo/\(descriptor)")?.split(separator: "\n") ?? []
            if lines.contains(where: { $0 == line }), isWritable(lines) { return true }
        }
        return false
    }

    /// - Parameter lines: of a fdinfo file, whose flags are octal (proc(5)).
    private static func isWritable(_ lines: [Substring]) -> Bool {
        guard let flags = lines.first(where: { $0.hasPrefix("flags:\t") })?.dropFirst(7),
            let bits = Int32(flags, radix: 8)
        else { return false }
        return bits & O_ACCMODE != O_RDONLY && bits & nameOnly == 0
    }

    private static func text(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // What is looked for is in the first lines.
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = unsafe read(descriptor, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : nil
    }
}
