package import Glibc

/// A TestTreeServer process with a directory to mount at. However a test ends, the server is killed, which
/// ends whatever waits for it, and what it mounted is unmounted.
package final class TreeServer: Sendable {
    /// It ended, or could not be started.
    struct Silent: Error {}

    package let directory: String
    package let process: pid_t
    private let input: Int32
    private let output: Int32

    /// A server that answers nothing for this long is killed, and with it every call that waits for a mount.
    private static let patienceInSeconds: UInt32 = 120

    fileprivate init(_ options: [String]) throws {
        var template = Array("/tmp/secretfs-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template), let own = realpath("/proc/self/exe", nil) else { throw Silent() }
        directory = String(cString: made)
        defer { free(own) }
        let executable =
            String(cString: own).split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            + "/TestTreeServer"
        var toServer: [Int32] = [-1, -1]
        var fromServer: [Int32] = [-1, -1]
        guard pipe(&toServer) == 0, pipe(&fromServer) == 0 else { throw Silent() }
        for end in toServer + fromServer { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toServer[0], 0)
        posix_spawn_file_actions_adddup2(&actions, fromServer[1], 1)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // `timeout` is the watchdog: it outlives a test that hangs.
        let words = ["timeout", "-s", "KILL", "\(Self.patienceInSeconds)", executable] + options
        let arguments = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var process: pid_t = 0
        guard posix_spawnp(&process, "timeout", &actions, nil, arguments, environ) == 0 else {
            throw Silent()
        }
        close(toServer[0])
        close(fromServer[1])
        self.process = process
        input = toServer[1]
        output = fromServer[0]
        guard try readLine() == "ready" else { throw Silent() }
    }

    /// The server itself, below its watchdog.
    package var serverProcess: pid_t {
        get throws {
            let children = try text(of: "/proc/\(process)/task/\(process)/children")
            guard let first = children.split(separator: " ").first, let pid = pid_t(first) else {
                throw Silent()
            }
            return pid
        }
    }

    @discardableResult
    package func ask(_ command: String) throws -> String {
        let line = Array((command + "\n").utf8)
        var sent = 0
        while sent < line.count {
            let count = line.withUnsafeBytes {
                write(input, $0.baseAddress.map { $0 + sent }, line.count - sent)
            }
            guard count > 0 else { throw Silent() }
            sent += count
        }
        return try readLine()
    }

    /// `ask`, about the mount at `directory`.
    @discardableResult
    package func tell(_ verb: String, _ words: String...) throws -> String {
        try ask(([verb, directory] + words).joined(separator: " "))
    }

    private func readLine() throws -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1 {
            if byte == UInt8(ascii: "\n") { return String(decoding: line, as: UTF8.self) }
            line.append(byte)
        }
        throw Silent()
    }

    fileprivate func end() {
        // The end of its input ends the server, which unmounts first.
        close(input)
        var status: Int32 = 0
        waitpid(process, &status, 0)
        close(output)
        umount2(directory, Int32(MNT_DETACH))
        rmdir(directory)
    }
}

/// Runs `body` with a server that has mounted a tree of `entries` files at its directory.
package func withMountedTree<R>(
    entries: Int = 20, options: [String] = [], _ body: (TreeServer) throws -> R
) throws -> R {
    try withMounted(["mount", "\(entries)"], options, body)
}

/// Runs `body` with a server that has mounted an algorithm's tree, empty at first, at its directory.
package func withMountedAlgorithm<R>(_ body: (TreeServer) throws -> R) throws -> R {
    try withMounted(["mountAlgorithm"], [], body)
}

private func withMounted<R>(_ words: [String], _ options: [String], _ body: (TreeServer) throws -> R) throws
    -> R
{
    let server = try TreeServer(options)
    defer { server.end() }
    let answer = try server.ask(([words[0], server.directory] + words.dropFirst()).joined(separator: " "))
    guard answer.hasPrefix("mounted") else { throw NotMounted(answer: answer) }
    return try body(server)
}

struct NotMounted: Error { let answer: String }

package struct SystemError: Error, Equatable {
    package let errno: Int32
    package init(errno: Int32) { self.errno = errno }
}

package func bytes(of path: String) throws -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw SystemError(errno: errno) }
    defer { close(descriptor) }
    return try bytes(of: descriptor)
}

package func bytes(of descriptor: Int32) throws -> [UInt8] {
    var result: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = read(descriptor, &piece, piece.count)
        guard count >= 0 else { throw SystemError(errno: errno) }
        if count == 0 { return result }
        result += piece.prefix(count)
    }
}

package func text(of path: String) throws -> String { String(decoding: try bytes(of: path), as: UTF8.self) }

/// What fstat(2) gives, in bytes.
package func fileSize(of descriptor: Int32) throws -> Int {
    var found = stat()
    guard fstat(descriptor, &found) == 0 else { throw SystemError(errno: errno) }
    return Int(found.st_size)
}

/// All names that readdir(3) gives.
package func names(in directory: OpaquePointer) -> [String] {
    var names: [String] = []
    while let entry = readdir(directory) {
        names.append(withUnsafePointer(to: &entry.pointee.d_name.0) { String(cString: $0) })
    }
    return names
}

package let isRootWithFuse = getuid() == 0 && access("/dev/fuse", R_OK | W_OK) == 0
