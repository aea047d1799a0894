import CLinux
import Console
import Fuse
import Glibc
import Secrets
import Store

/// The program that connects to a server, and the socket to it. It ends when the socket does.
final class LinkProcess: Sendable {
    private let socket: OwnedDescriptor
    private let pid: pid_t

    /// - Parameter log: what it says of itself goes there.
    init(log: Int32 = STDERR_FILENO) throws(Failure) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw Failure(.system, "no socket: \(errnoText())")
        }
        socket = OwnedDescriptor(ends[0])
        let theirs = OwnedDescriptor(ends[1])
        pid = try Self.spawn(try ProgramPath.node(), theirs.raw, log)
    }

    deinit {
        // It sees the end of the socket, and ends.
        end()
        waitpid(pid, nil, 0)
    }

    private static func spawn(_ path: String, _ standardInput: Int32, _ log: Int32) throws(Failure) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, standardInput, STDIN_FILENO)
        unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        unsafe linux_posix_spawn_close_from(&actions, STDERR_FILENO + 1)
        var pid = pid_t()
        // Not our environment: it may hold secrets.
        let result = unsafe withCStrings(["secretfs-node"]) { arguments in
            unsafe withCStrings(["PATH=/usr/bin:/bin"]) { environment in
                unsafe posix_spawn(&pid, path, &actions, nil, arguments, environment)
            }
        }
        guard result == 0 else { throw Failure(.system, "\(path) cannot be started: \(errnoText(result))") }
        return pid
    }

    /// Ends the connection to it: whoever waits in `receive` gets nil.
    func end() { shutdown(socket.raw, Int32(SHUT_RDWR)) }

    /// - Returns: false if it has ended.
    @discardableResult
    func send(_ message: LinkMessage) -> Bool {
        var frame = message.frame()
        // A token or a key may be in it.
        defer { unsafe frame.withUnsafeMutableBytes { unsafe wipe($0) } }
        var sent = 0
        while sent < frame.count {
            let count = unsafe frame.withUnsafeBytes { bytes in
                unsafe Glibc.send(
                    socket.raw, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Waits for the next message; nil when it has ended, or says what is none.
    func receive() -> LinkMessage? {
        guard let head = read(LinkFrame.headCount), let count = LinkFrame.count(head), var body = read(count)
        else { return nil }
        defer { unsafe body.withUnsafeMutableBytes { unsafe wipe($0) } }
        return try? LinkMessage(decoding: body)
    }

    private func read(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let part = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(socket.raw, buffer.baseAddress.map { unsafe $0 + got }, count - got, 0)
            }
            if part < 0, errno == EINTR { continue }
            guard part > 0 else { return nil }
            got += part
        }
        return bytes
    }
}
