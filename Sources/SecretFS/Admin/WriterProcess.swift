import Glibc

/// What /proc tells about the processes that write: FUSE tells of each close of a descriptor, not which is the last
/// one. Nothing in here touches a mount.
enum WriterProcess {
    /// PF_EXITING of include/linux/sched.h.
    private static let exiting: UInt64 = 0x4
    /// O_PATH of asm-generic/fcntl.h: a descriptor that only names a file.
    private static let nameOnly: UInt64 = 0o10000000
    /// More than any process is looked at for.
    private static let maximumDescriptors = 4096

    /// The process of `thread`; 0 if it cannot be told (another pid namespace).
    static func process(of thread: Int32) -> Int32 {
        guard thread > 0, let status = read("/proc/\(thread)/status") else { return 0 }
        return field("Tgid:\t", in: status).flatMap { number($0, radix: 10) }.flatMap(Int32.init(exactly:))
            ?? 0
    }

    /// Whether the process of `thread` is ending because a signal killed it: what it wrote may be half of what it
    /// wanted to write. One that cannot be looked at counts as alive.
    static func wasKilled(_ thread: Int32) -> Bool {
        guard thread > 0, let status = read("/proc/\(thread)/stat") else { return false }
        // proc(5): after the program's name in parentheses, which may hold anything, come fields 3 and on.
        guard let end = status.lastIndex(of: UInt8(ascii: ")")) else { return false }
        let fields = status[(end + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        guard fields.count > 49, let flags = number(fields[6], radix: 10),
            let code = number(fields[49], radix: 10)
        else { return false }
        // wait(2): the low seven bits are the signal.
        return flags & exiting != 0 && code & 0x7F != 0
    }

    /// Whether `process` has a descriptor of inode `number` that can be written to. One that cannot be looked at has none.
    ///
    /// - Parameter number: unlike any of another file system.
    static func holds(_ number: UInt64, process: Int32) -> Bool {
        guard process > 0, let directory = unsafe opendir("/proc/\(process)/fdinfo") else { return false }
        defer { unsafe closedir(directory) }
        for _ in 0..<maximumDescriptors {
            guard let entry = unsafe readdir(directory) else { return false }
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe Array(bytes.prefix { $0 != 0 })
            }
            guard let descriptor = Self.number(name[...], radix: 10),
                let facts = read("/proc/\(process)/fdinfo/\(descriptor)"),
                let inode = field("ino:\t", in: facts), Self.number(inode, radix: 10) == number
            else { continue }
            if isWritable(facts) { return true }
        }
        return false
    }

    /// - Parameter facts: a fdinfo file, whose flags are octal (proc(5)).
    private static func isWritable(_ facts: [UInt8]) -> Bool {
        guard let flags = field("flags:\t", in: facts).flatMap({ number($0, radix: 8) }) else { return false }
        return flags & UInt64(O_ACCMODE) != UInt64(O_RDONLY) && flags & nameOnly == 0
    }

    /// What follows `label` on the line that begins with it. Bytes, not `String`: this is asked at every close.
    private static func field(_ label: StaticString, in text: [UInt8]) -> ArraySlice<UInt8>? {
        label.withUTF8Buffer { label in
            var rest = text[...]
            while !rest.isEmpty {
                let end = rest.firstIndex(of: UInt8(ascii: "\n")) ?? rest.endIndex
                if unsafe rest[..<end].starts(with: label) { return rest[..<end].dropFirst(label.count) }
                rest = rest[min(end + 1, rest.endIndex)...]
            }
            return nil
        }
    }

    private static func number(_ digits: ArraySlice<UInt8>, radix: UInt64) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            let (scaled, isTooLarge) = value.multipliedReportingOverflow(by: radix)
            let (sum, isStillTooLarge) = scaled.addingReportingOverflow(UInt64(digit &- 0x30))
            guard digit &- 0x30 < radix, !isTooLarge, !isStillTooLarge else { return nil }
            value = sum
        }
        return value
    }

    private static func read(_ path: String) -> [UInt8]? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        // What is looked for is in the first lines.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = unsafe max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
        return bytes.isEmpty ? nil : bytes
    }
}
