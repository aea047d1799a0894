import CLinux
import Fuse
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"), .timeLimit(.minutes(5)))
struct `A change of the tree` {
    @Test func `is invisible while the kernel believes its names, and visible once it is told`() throws {
        try withMountedTree { server in
            let path = server.directory + "/ENTRY_3"
            #expect(try text(of: path) == "value 3")
            var status = stat()
            try server.tell("putQuietly", "ENTRY_3", "changed")
            // The alarm rings: without a notice the kernel goes on with the node it knows, which is gone.
            try server.tell("counts")
            _ = stat(path, &status)
            #expect(try !server.tell("counts").contains("lookup"))
            try server.tell("put", "ENTRY_3", "told")
            while try text(of: path) != "told" { usleep(100) }
            try server.tell("delete", "ENTRY_3")
            while access(path, F_OK) == 0 { usleep(100) }
            #expect(errno == ENOENT)
        }
    }

    @Test func `that makes OPEN stale is retried by the kernel with a new lookup`() throws {
        try withMountedTree { server in
            let path = server.directory + "/ENTRY_4"
            #expect(try text(of: path) == "value 4")
            try server.tell("counts")
            try server.tell("stale", "ENTRY_4")
            #expect(try text(of: path) == "value 4")
            let counts = try server.tell("counts")
            #expect(counts.contains("lookup=") && counts.contains("open=2"), "\(counts)")
        }
    }

    @Test func `wakes who polls an open file`() throws {
        try withMountedTree { server in
            let descriptor = open(server.directory + "/ENTRY_5", O_RDONLY)
            defer { close(descriptor) }
            var waiting = pollfd(fd: descriptor, events: Int16(POLLPRI), revents: 0)
            #expect(poll(&waiting, 1, 0) == 0)
            let epoll = epoll_create1(0)
            _ = linux_epoll_set(epoll, EPOLL_CTL_ADD, descriptor, EPOLLPRI.rawValue, 1)
            defer { close(epoll) }
            #expect(!isReady(epoll, milliseconds: 0))
            try server.tell("put", "ENTRY_6", "news")
            #expect(isReady(epoll, milliseconds: 60_000))
        }
    }

    private func isReady(_ descriptor: Int32, milliseconds: Int32) -> Bool {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, milliseconds) == 1
    }
}

@Suite struct `A poll waker` {
    @Test func `fires once`() {
        let count = Atomic<Int>(0)
        let waker = PollWaker { count.wrappingAdd(1, ordering: .relaxed) }
        waker.wake()
        waker.wake()
        #expect(count.load(ordering: .relaxed) == 1)
    }

    @Test func `lets go of what it holds when it fires and when it is dropped`() {
        final class Held: Sendable {}
        weak var fired: Held?
        weak var dropped: Held?
        let waker: PollWaker
        do {
            let held = Held()
            fired = held
            waker = PollWaker { withExtendedLifetime(held) {} }
            let other = Held()
            dropped = other
            _ = PollWaker { withExtendedLifetime(other) {} }
        }
        waker.wake()
        #expect(fired == nil && dropped == nil)
    }
}

@Suite struct `Refusals` {
    @Test func `become different errno`() {
        // What is damaged and what cannot be recorded are both EIO; the agent's log tells which.
        #expect(Set(Refusal.allCases.map(\.errno)).count == Refusal.allCases.count - 3)
        #expect(Refusal.unaudited.errno == EIO)
        #expect(Refusal.notFound.errno == ENOENT && Refusal.readOnly.errno == EROFS)
        #expect(Refusal.stale.errno == ESTALE && Refusal.damaged.errno == EIO)
    }
}
