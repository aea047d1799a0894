import CLinux
import Glibc
import Secrets

/// The directory of one thread in /proc, opened once. It is that thread's for ever: when the thread has gone, whatever
/// is looked up in it fails, also after its number was given to another one. A pidfd with files, so to say.
@safe final class ProcessFiles: Sendable {
    private let directory: Int32

    /// - Parameter number: a thread id in our process namespace, > 0.
    init(thread number: Int32) throws(CallerUnknown) {
        directory = unsafe Glibc.open("/proc/\(number)", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)
        guard directory >= 0 else { throw CallerUnknown("its /proc folder: errno \(errno)") }
    }

    deinit { close(directory) }

    /// A whole file.
    ///
    /// - Parameter limit: in bytes; a longer one is refused.
    func read(_ name: String, upTo limit: Int) throws(CallerUnknown) -> [UInt8] {
        let file = try open(name)
        defer { close(file) }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1024)
        while bytes.count <= limit {
            let got = unsafe Glibc.read(file, &piece, piece.count)
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw CallerUnknown("\(name): errno \(errno)") }
            // Only nothing is the end: files of /proc come in pieces of their own size.
            if got == 0 { return bytes }
            bytes += piece[..<got]
        }
        throw CallerUnknown("\(name) is too long")
    }

    /// Opens the file `name`, to be read again and again. The caller closes it.
    func open(_ name: String) throws(CallerUnknown) -> Int32 {
        let file = unsafe openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard file >= 0 else { throw CallerUnknown("\(name): errno \(errno)") }
        return file
    }

    /// Whether the link `name` says `path`; false too if the thread has gone. Allocates nothing.
    func link(_ name: StaticString, leadsTo path: [UInt8]) -> Bool {
        unsafe withUnsafeTemporaryAllocation(byteCount: path.count + 1, alignment: 1) { room in
            guard let start = room.baseAddress else { return false }
            let count = unsafe readlinkat(
                directory, UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self),
                start.assumingMemoryBound(to: CChar.self), room.count)
            return unsafe count == path.count && memcmp(start, path, count) == 0
        }
    }

    /// Where the link `name` leads, as text.
    func link(_ name: String) throws(CallerUnknown) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: CallerRule.maximumPath + 1)
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let start = buffer.baseAddress else { return 0 }
            return unsafe readlinkat(
                directory, name, start.assumingMemoryBound(to: CChar.self), buffer.count)
        }
        guard count > 0 else { throw CallerUnknown("\(name): errno \(errno)") }
        // A full buffer may have been cut.
        guard count < bytes.count else { throw CallerUnknown("\(name) is too long") }
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    /// The file that the link `name` leads to, whatever mount namespace it is in.
    func target(_ name: String) throws(CallerUnknown) -> FileIdentity {
        guard let found = FileIdentity(name, in: directory) else {
            throw CallerUnknown("\(name): errno \(errno)")
        }
        return found
    }

    /// Opens what the link `name` leads to. The caller closes it.
    func openTarget(_ name: String) throws(CallerUnknown) -> Int32 {
        let file = unsafe openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard file >= 0 else { throw CallerUnknown("\(name): errno \(errno)") }
        return file
    }
}

/// A namespace of the kernel's: the same numbers, the same namespace.
package struct NamespaceID: Hashable, Codable, Sendable {
    package let device: UInt64
    package let inode: UInt64

    /// The process namespace of this process; nil if /proc does not tell.
    ///
    /// /proc/self is this process in every process namespace whose /proc is mounted there, so what it leads to is
    /// always our own.
    package static func ofProcesses() -> NamespaceID? {
        FileIdentity("/proc/self/ns/pid").map {
            NamespaceID(device: UInt64($0.device), inode: UInt64($0.inode))
        }
    }
}

/// Which file, and which state of its content: as the kernel has it, which asks nobody for that. So it never waits for a
/// file system that does not answer.
struct FileIdentity: Hashable {
    let device: UInt
    let inode: UInt
    let mode: UInt32
    /// In bytes.
    let count: Int
    let modified: Moment
    let changed: Moment
    /// The number of the mount through which it was reached; 0: not known.
    let mount: UInt64

    struct Moment: Hashable {
        let seconds: Int
        let nanoseconds: Int
    }

    /// Nil with errno set.
    init?(_ path: String, in directory: Int32 = AT_FDCWD) {
        var state = linux_file_state()
        guard unsafe linux_file_state(directory, path, &state) == 0 else { return nil }
        device = UInt(state.device)
        inode = UInt(state.inode)
        mode = state.mode
        count = Int(clamping: state.count)
        modified = Moment(seconds: Int(state.modified), nanoseconds: Int(state.modified_nanoseconds))
        changed = Moment(seconds: Int(state.changed), nanoseconds: Int(state.changed_nanoseconds))
        mount = state.mount
    }

    init?(descriptor: Int32) { self.init("", in: descriptor) }

    var isRegular: Bool { mode & S_IFMT == S_IFREG }
    func isSameFile(as other: FileIdentity) -> Bool { device == other.device && inode == other.inode }
}
