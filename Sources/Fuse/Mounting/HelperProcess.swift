import CLinux
import Glibc

/// A running fusermount3, whose error messages come through a pipe. Started with posix_spawn: fork() is not
/// safe in a process with threads.
final class HelperProcess {
    private let process: pid_t
    private let messages: Int32
    private var status: Int32 = 0

    struct Failure: Error { let errno: Int32 }

    /// Where the helper finds its end of the socket.
    private static let socketNumber: Int32 = 3

    /// - Parameter socket: handed to the helper; stays the caller's.
    init(_ arguments: [String], socket: Int32?) throws(Failure) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw Failure(errno: errno) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
        if let socket { unsafe posix_spawn_file_actions_adddup2(&actions, socket, Self.socketNumber) }
        // It may stay as long as the mount, and keeps nothing open that it was not given.
        unsafe linux_posix_spawn_close_from(
            &actions, socket == nil ? Self.socketNumber : Self.socketNumber + 1)
        // The messages that are understood here are the English ones.
        let environment = ["_FUSE_COMMFD=\(Self.socketNumber)", "LC_ALL=C"]
        var process: pid_t = 0
        let result = unsafe withCStrings(["fusermount3"] + arguments) { arguments in
            unsafe withCStrings(environment) { environment in
                unsafe posix_spawnp(&process, "fusermount3", &actions, nil, arguments, environment)
            }
        }
        guard result == 0 else {
            close(ends[0])
            throw Failure(errno: result)
        }
        self.process = process
        messages = ends[0]
    }
    deinit { close(messages) }

    /// What it printed, on one line, once it has ended.
    func waitForMessage() -> String {
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1024)
        while text.count < 4096 {
            let count = unsafe Glibc.read(messages, &piece, piece.count)
            if count > 0 { text += piece.prefix(count) } else if count == 0 || errno != EINTR { break }
        }
        while unsafe waitpid(process, &status, 0) == -1, errno == EINTR {}
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        return lines.isEmpty ? "no reason given" : lines.joined(separator: "; ")
    }

    /// Whether it ended with anything but success; after `waitForMessage`.
    var hasFailed: Bool { status != 0 }
}

/// Lends `strings` as a C array that ends with NULL.
package func withCStrings<R>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> R
) -> R {
    var copies = unsafe strings.map { unsafe strdup($0) }
    defer { unsafe copies.forEach { unsafe free($0) } }
    unsafe copies.append(nil)
    return unsafe body(copies)
}
