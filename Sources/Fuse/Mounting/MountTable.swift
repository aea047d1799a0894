import Glibc

/// One line of /proc/self/mountinfo (proc(5)).
package struct MountEntry: Hashable, Sendable {
    package let id: Int
    package let parent: Int
    /// The device's numbers; the minor one names the connection in /sys/fs/fuse/connections.
    package let major: UInt32
    package let minor: UInt32
    /// Where it is mounted, as this process sees it.
    package let point: String
    /// For example `ext4`, or ours, `fuse.secretfs`.
    package let type: String
    package let source: String
    /// Of a FUSE mount: who mounted it (`user_id`), by the numbers of the user namespace in which that was.
    package let user: UInt32?
}

/// The mounts of this process's mount namespace, in the order in which they were made at one point.
package struct MountTable: Sendable {
    package static let ourType = "fuse.secretfs"
    package let entries: [MountEntry]

    /// - Throws: errno of reading /proc/self/mountinfo, for example without /proc.
    package static func current() throws(MountTableError) -> MountTable {
        MountTable(parsing: try readFile("/proc/self/mountinfo"))
    }

    /// Lines that are not in the format are passed over: a newer kernel may say more than we know.
    package init(parsing bytes: [UInt8]) {
        entries = bytes.split(separator: UInt8(ascii: "\n")).compactMap { Self.parse($0) }
    }

    /// The one mount that the kernel calls `number`. With thousands of mounts, reading them all would take
    /// longer than mounting.
    static func entry(numbered number: Int, parsing bytes: [UInt8]) -> MountEntry? {
        let start = Array("\(number) ".utf8)
        let lines = bytes.split(separator: UInt8(ascii: "\n"))
        return lines.first { $0.starts(with: start) }.flatMap { parse($0) }
    }

    package var ours: [MountEntry] { entries.filter { $0.type == Self.ourType } }

    /// What is mounted at `point`; of several on top of each other, the one that is seen.
    package func top(at point: String) -> MountEntry? { entries.last { $0.point == point } }

    /// 36 35 98:0 /root /point options [optional…] - type source options
    private static func parse(_ line: ArraySlice<UInt8>) -> MountEntry? {
        let fields = line.split(separator: UInt8(ascii: " "))
        guard fields.count >= 10, let dash = fields.dropFirst(6).firstIndex(of: [UInt8(ascii: "-")]),
            fields.count >= dash + 3, let id = Int(text(fields[0])), let parent = Int(text(fields[1]))
        else { return nil }
        let device = fields[2].split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard device.count == 2, let major = UInt32(text(device[0])), let minor = UInt32(text(device[1]))
        else {
            return nil
        }
        let options = fields.count > dash + 3 ? fields[dash + 3] : []
        return MountEntry(
            id: id, parent: parent, major: major, minor: minor, point: unescaped(fields[4]),
            type: unescaped(fields[dash + 1]), source: unescaped(fields[dash + 2]), user: user(options))
    }

    private static func user(_ options: ArraySlice<UInt8>) -> UInt32? {
        let label = Array("user_id=".utf8)
        let option = options.split(separator: UInt8(ascii: ",")).first { $0.starts(with: label) }
        return option.flatMap { UInt32(text($0.dropFirst(label.count))) }
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
    private static func unescaped(_ bytes: ArraySlice<UInt8>) -> String {
        var result: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            if byte == UInt8(ascii: "\\"), digits.count == 3, let value = UInt8(text(digits), radix: 8) {
                result.append(value)
                rest = rest.dropFirst(3)
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

package struct MountTableError: Error, Equatable {
    package let errno: Int32
}

/// A whole file of /proc, whose size is not known before it is read.
func readFile(_ path: String) throws(MountTableError) -> [UInt8] {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw MountTableError(errno: errno) }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = unsafe Glibc.read(descriptor, &piece, piece.count)
        if count == 0 { return result }
        guard count > 0 else {
            if errno == EINTR { continue }
            throw MountTableError(errno: errno)
        }
        result += piece.prefix(count)
    }
}
