import Glibc

/// What /proc tells about the processes that write: FUSE tells of each close of a descriptor, not which is the last
/// one. Nothing in here touches a mount.
enum WriterProcess {
    /// PF_EXITING of include/linux/sched.h.
    private static let exiting: UInt64 = 0x4
    /// O_PATH of asm-generic/fcntl.h: a descriptor that only names a file.
    private static let nameOnly: UInt64 = 0o10000000
    /// As many descriptors, or threads, of a process are looked at: less than a tenth of a second of work.
    private static let maximumEntries = 16_384
    /// As many processes above one are looked at.
    private static let maximumDepth = 32

    /// The process of `thread`; 0 if it cannot be told (another pid namespace).
    static func process(of thread: Int32) -> Int32 {
        guard thread > 0, let status = read("/proc/\(thread)/status") else { return 0 }
        return field("Tgid:\t", in: status).flatMap { number($0, radix: 10) }.flatMap(Int32.init(exactly:))
            ?? 0
    }

    /// The processes that started `process`, from the next one on, and not beyond `last` or the first of the system.
    static func ancestors(of process: Int32, until last: Int32) -> [Int32] {
        var found: [Int32] = []
        var child = process
        while found.count < maximumDepth, let fields = statistics("/proc/\(child)/stat"),
            let parent = number(fields[1], radix: 10).flatMap(Int32.init(exactly:)), parent > 1
        {
            found.append(parent)
            guard parent != last else { break }
            child = parent
        }
        return found
    }

    enum Life: Equatable {
        case running
        /// It has no descriptors any more; they are being closed for it. It ends by itself.
        case ending
        /// As `ending`, because of a signal: what it wrote may be half of what it wanted to write.
        case killed
        /// Gone, and everything that it had open is closed.
        case ended
    }

    /// One that cannot be looked at counts as running.
    static func life(of thread: Int32) -> Life {
        thread > 0 ? life("/proc/\(thread)/stat") ?? .running : .running
    }

    private static func life(_ path: String) -> Life? {
        guard let fields = statistics(path), let flags = number(fields[6], radix: 10) else { return nil }
        if fields[0].first == UInt8(ascii: "Z") || fields[0].first == UInt8(ascii: "X") { return .ended }
        guard flags & exiting != 0 else { return .running }
        // wait(2): the low seven bits are the signal.
        return (number(fields[49], radix: 10) ?? 0) & 0x7F != 0 ? .killed : .ending
    }

    /// The fields of a stat file from the third on, at least fifty (proc(5)).
    private static func statistics(_ path: String) -> [ArraySlice<UInt8>]? {
        // After the program's name in parentheses, which may hold anything.
        guard let text = read(path), let end = text.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = text[(end + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        return fields.count > 49 ? fields : nil
    }

    enum Holding: Equatable {
        /// It has a descriptor that can be written to.
        case held
        /// It is ending: its descriptors do not show any more, and may not all be closed.
        case ending
        case released
        /// It has more descriptors than are looked at.
        case unknown
    }

    /// What `process` has of inode `number`. One that cannot be looked at has nothing.
    ///
    /// - Parameter number: unlike any of another file system.
    static func holding(_ number: UInt64, process: Int32) -> Holding {
        guard process > 0 else { return .released }
        let holding = descriptors(of: number, in: "/proc/\(process)/fdinfo")
        guard holding == .released else { return holding }
        // After its descriptors: none of a process that was running then are overlooked because it ends now.
        guard life(of: process) != .running else { return .released }
        return holdingOfThreads(number, process: process)
    }

    /// The first thread has none any more: it ended before the others, or all do.
    private static func holdingOfThreads(_ number: UInt64, process: Int32) -> Holding {
        let tasks = "/proc/\(process)/task"
        guard let threads = numbers(in: tasks) else { return .unknown }
        var isEnding = false
        for thread in threads {
            let holding = descriptors(of: number, in: "\(tasks)/\(thread)/fdinfo")
            switch life("\(tasks)/\(thread)/stat") {
            case .running: return holding
            case .ending, .killed: isEnding = true
            case .ended, nil: break
            }
        }
        return isEnding ? .ending : .released
    }

    private static func descriptors(of inode: UInt64, in directory: String) -> Holding {
        guard let descriptors = numbers(in: directory) else { return .unknown }
        for descriptor in descriptors {
            guard let facts = read("\(directory)/\(descriptor)"),
                let found = field("ino:\t", in: facts), number(found, radix: 10) == inode
            else { continue }
            if isWritable(facts) { return .held }
        }
        return .released
    }

    /// The names in a directory of /proc that are numbers; none if it cannot be read.
    ///
    /// - Returns: nil if there are too many.
    private static func numbers(in path: String) -> [UInt64]? {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var found: [UInt64] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe Array(bytes.prefix { $0 != 0 })
            }
            guard let number = number(name[...], radix: 10) else { continue }
            guard found.count < maximumEntries else { return nil }
            found.append(number)
        }
        return found
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
