import CLinux
import Fuse
import Glibc

/// Another of our programs, and the socket to it, which is its standard input. It ends when the socket does.
package final class ChildProgram: Sendable {
    package let socket: OwnedDescriptor
    private let pid: pid_t

    /// - Parameters:
    ///   - name: what it is called in lists of processes.
    ///   - log: what it says of itself goes there.
    package init(_ path: String, named name: String, log: Int32 = STDERR_FILENO) throws(Failure) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw Failure(.system, "no socket: \(errnoText())")
        }
        socket = OwnedDescriptor(ends[0])
        let theirs = OwnedDescriptor(ends[1])
        pid = try Self.spawn(path, name, theirs.raw, log)
    }

    deinit {
        // It sees the end of the socket, and ends.
        end()
        waitpid(pid, nil, 0)
    }

    private static func spawn(
        _ path: String, _ name: String, _ standardInput: Int32, _ log: Int32
    ) throws(Failure) -> pid_t {
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, standardInput, STDIN_FILENO)
        unsafe posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        unsafe linux_posix_spawn_close_from(&actions, STDERR_FILENO + 1)
        var pid = pid_t()
        // Not our environment: it may hold secrets.
        let result = unsafe withCStrings([name]) { arguments in
            unsafe withCStrings(["PATH=/usr/bin:/bin"]) { environment in
                unsafe posix_spawn(&pid, path, &actions, nil, arguments, environment)
            }
        }
        guard result == 0 else { throw Failure(.system, "\(path) cannot be started: \(errnoText(result))") }
        return pid
    }

    /// Ends the connection to it: whoever waits for it gets nothing more.
    package func end() { shutdown(socket.raw, Int32(SHUT_RDWR)) }
}
