import CLinux
import Fuse
import Glibc
import Synchronization
import TestSupport
import Testing

/// Mounts of one server, and neighbours that do not behave.
@Suite(
    .enabled(if: isRootWithFuse && DirectorySitter.isPossible, "needs root, /dev/fuse and userfaultfd"),
    .timeLimit(.minutes(5)))
struct `A reader that sits in a directory` {
    @Test func `holds up the notices of no other mount`() throws {
        try withNeighbours(4) { server, neighbours in
            let path = server.directory + "/ENTRY_5"
            #expect(try text(of: path) == "value 5")
            let descriptor = open(path, O_RDONLY)
            let epoll = epoll_create1(0)
            _ = linux_epoll_set(epoll, EPOLL_CTL_ADD, descriptor, EPOLLPRI.rawValue, 1)
            defer {
                close(epoll)
                close(descriptor)
            }
            let sitters = try neighbours.map { try sit(in: $0, of: server) }
            defer { for sitter in sitters { sitter.stand() } }
            try server.tell("delete", "ENTRY_5")
            // Without a notice the kernel believes in the name for an hour.
            while access(path, F_OK) == 0 { usleep(1000) }
            var woken = pollfd(fd: epoll, events: Int16(POLLIN), revents: 0)
            #expect(poll(&woken, 1, 60_000) == 1)
        }
    }

    @Test func `keeps no session from ending, and the mount ends with it`() throws {
        try withNeighbours(1) { server, neighbours in
            let sitter = try sit(in: neighbours[0], of: server)
            try server.ask("remove \(neighbours[0])")
            #expect(try server.ask("end \(neighbours[0])") == "ended removed handles 0")
            sitter.stand()
            let gone = #expect(throws: SystemError.self) {
                while true { _ = try text(of: neighbours[0] + "/ENTRY_1") }
            }
            #expect([ENOTCONN, ECONNABORTED].contains(gone?.errno))
            #expect(try text(of: server.directory + "/ENTRY_1") == "value 1")
        }
    }

    @Test func `keeps the loop from stopping for a moment only`() throws {
        try withNeighbours(3) { server, neighbours in
            let sitters = try neighbours.map { try sit(in: $0, of: server) }
            #expect(try server.tell("stop") == "ok")
            for path in neighbours { #expect(try server.ask("end \(path)") == "ended removed handles 0") }
            for sitter in sitters { sitter.stand() }
        }
    }

    /// Sits there, and has the server tell the kernel of a change there: twice, so that more waits behind it.
    private func sit(in directory: String, of server: TreeServer) throws -> DirectorySitter {
        #expect(try text(of: directory + "/ENTRY_1") == "value 1")
        let sitter = try DirectorySitter(in: directory)
        for value in ["one", "two"] { try server.ask("put \(directory) ENTRY_1 \(value)") }
        return sitter
    }
}

@Suite(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"), .timeLimit(.minutes(5)))
struct `A mount that is kept busy` {
    /// Counts requests, because time on a loaded machine says nothing.
    @Test(arguments: ["0", "50000"])
    func `lets others wait for a request or two`(_ spin: String) throws {
        try withNeighbours(1, options: ["single", spin]) { server, neighbours in
            let path = server.directory + "/ENTRY_1"
            #expect(try text(of: path) == "value 1")
            try server.ask("slow \(neighbours[0]) 60")
            let isOver = Atomic<Bool>(false)
            let busy = try (0..<40).map { index in
                try Fuse.Thread(named: "busy-\(index)") { [name = neighbours[0] + "/ENTRY_1"] in
                    while !isOver.load(ordering: .relaxed) { close(open(name, O_RDONLY)) }
                }
            }
            defer {
                isOver.store(true, ordering: .relaxed)
                _ = try? server.ask("slow \(neighbours[0]) 0")
                for thread in busy { thread.join() }
            }
            var seen = 0
            while seen < 3 { seen += try opens(neighbours[0], of: server) }
            // An own OPEN and READ, at best of five: this thread may have to wait for a processor too.
            let between = try (0..<5).map { _ in
                _ = try opens(neighbours[0], of: server)
                #expect(try text(of: path) == "value 1")
                return try opens(neighbours[0], of: server)
            }
            #expect(try #require(between.min()) <= 16, "\(between)")
        }
    }

    private func opens(_ directory: String, of server: TreeServer) throws -> Int {
        let counts = try server.ask("counts \(directory)").split(separator: " ")
        return counts.first { $0.hasPrefix("open=") }.flatMap { Int($0.dropFirst(5)) } ?? 0
    }
}

/// Runs `body` with a server and this many more mounts of it.
private func withNeighbours<R>(
    _ count: Int, options: [String] = [], _ body: (TreeServer, [String]) throws -> R
) throws -> R {
    try withMountedTree(options: options) { server in
        let neighbours = (0..<count).map { "\(server.directory)-\($0)" }
        defer {
            for path in neighbours {
                umount2(path, Int32(MNT_DETACH))
                rmdir(path)
            }
        }
        for path in neighbours {
            mkdir(path, 0o700)
            let answer = try server.ask("mount \(path) 20")
            try #require(answer.hasPrefix("mounted"), "\(answer)")
        }
        return try body(server, neighbours)
    }
}
