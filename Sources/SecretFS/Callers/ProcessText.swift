import Secrets

/// What files of /proc say. The name of a process is its own choice and may hold anything but a NUL.
enum ProcessText {
    /// The start time in `/proc/PID/stat`, field 22, in clock ticks since boot.
    ///
    /// Field 2 is the name in parentheses: whatever is in it, the last `)` of the line ends it, since only numbers
    /// and one letter follow (proc_pid_stat(5)).
    static func startTime(inStat bytes: [UInt8]) -> UInt64? {
        guard let end = bytes.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = bytes[(end + 1)...].split { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\n") }
        // The first of these is field 3.
        return fields.count > 19 ? decimal(fields[19]) : nil
    }

    /// `Tgid` in `/proc/PID/status`: the process of a thread. The name before it has its newlines escaped.
    static func process(inStatus bytes: [UInt8]) -> Int32? {
        let label = Array("Tgid:\t".utf8)
        for line in bytes.split(separator: UInt8(ascii: "\n")).dropFirst() where line.starts(with: label) {
            return decimal(line.dropFirst(label.count)).flatMap(Int32.init(exactly:))
        }
        return nil
    }

    /// The ids and namespaces of a thread in `/proc/PID/status`. The kernel shows them as numbers of the user namespace of
    /// whoever opened the file, which is this process, so a process cannot choose them by a namespace of its own.
    static func rights(inStatus bytes: [UInt8]) -> CallerIdentity.Rights? {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).dropFirst()
        func numbers(_ label: String) -> [UInt32]? {
            let label = Array("\(label):\t".utf8)
            guard let line = lines.first(where: { $0.starts(with: label) }) else { return nil }
            let fields = line.dropFirst(label.count).split { $0 == UInt8(ascii: "\t") }
            let numbers = fields.compactMap { decimal($0).flatMap(UInt32.init(exactly:)) }
            return numbers.count == fields.count ? numbers : nil
        }
        guard let uids = numbers("Uid"), let gids = numbers("Gid"), let processes = numbers("NSpid"),
            uids.count == 4, gids.count == 4
        else { return nil }
        return CallerIdentity.Rights(uids: uids, gids: gids, depth: processes.count)
    }

    /// The path in cgroup v2 in `/proc/PID/cgroup`: the line of hierarchy 0, which has no controllers. A group's name
    /// may hold anything but a newline.
    static func cgroup(in bytes: [UInt8]) -> [UInt8]? {
        let label = Array("0::".utf8)
        for line in bytes.split(separator: UInt8(ascii: "\n")) where line.starts(with: label) {
            let path = line.dropFirst(label.count)
            return path.first == UInt8(ascii: "/") ? Array(path) : nil
        }
        return nil
    }

    /// The type of the file system that the mount `number` shows, in a mountinfo (proc_pid_mountinfo(5)): its first field
    /// is the number, and the type stands behind a field that is `-`. Paths have their spaces and newlines escaped.
    static func fileSystem(ofMount number: UInt64, in bytes: [UInt8]) -> String? {
        for line in bytes.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard let first = fields.first, decimal(first) == number else { continue }
            guard let mark = fields.dropFirst(6).firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
                mark + 1 < fields.count
            else { return nil }
            return String(decoding: fields[mark + 1], as: UTF8.self)
        }
        return nil
    }

    /// - Returns: nil for anything but digits, and for more than fits.
    private static func decimal(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard !digits.isEmpty else { return nil }
        var number: UInt64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            let (tens, tooLarge) = number.multipliedReportingOverflow(by: 10)
            let (sum, overflow) = tens.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
            guard !tooLarge, !overflow else { return nil }
            number = sum
        }
        return number
    }
}
