import Fuse
import Glibc
import TestSupport
import Testing

@Suite struct `Descriptors over a socket` {
    private func withSocket(_ body: (Int32, Int32) throws -> Void) throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends) == 0)
        defer { ends.forEach { close($0) } }
        try body(ends[0], ends[1])
    }

    @Test(arguments: [0, 1, 2, 16])
    func `arrive with their bytes, working and close-on-exec`(_ count: Int) throws {
        try withSocket { sender, receiver in
            var pipes: [Int32] = [-1, -1]
            try #require(pipe(&pipes) == 0)
            let frame = Frame(
                bytes: Array("hello".utf8), descriptors: Array(repeating: pipes[1], count: count))
            try DescriptorPassing.send(frame, over: sender)
            close(pipes[1])
            let received = try DescriptorPassing.receive(upTo: 100, over: receiver)
            #expect(received.bytes == frame.bytes && received.descriptors.count == count)
            for descriptor in received.descriptors {
                #expect(fcntl(descriptor, F_GETFD) == FD_CLOEXEC)
                #expect(write(descriptor, "x", 1) == 1)
                close(descriptor)
            }
            // Every copy is closed: the pipe has `count` bytes and then ends.
            #expect(try bytes(of: pipes[0]).count == count)
            close(pipes[0])
        }
    }

    @Test func `of a frame that is too large are closed`() throws {
        try withSocket { sender, receiver in
            var pipes: [Int32] = [-1, -1]
            try #require(pipe(&pipes) == 0)
            try DescriptorPassing.send(Frame(bytes: [1, 2, 3], descriptors: [pipes[1]]), over: sender)
            close(pipes[1])
            #expect(throws: DescriptorPassingError.tooLarge) {
                try DescriptorPassing.receive(upTo: 2, over: receiver)
            }
            #expect(try bytes(of: pipes[0]) == [])
            close(pipes[0])
        }
    }

    @Test func `the other end's uid is known, and its end is an error of its own`() throws {
        try withSocket { sender, receiver in
            let peer = try DescriptorPassing.peer(of: receiver)
            #expect(peer.uid == getuid() && peer.gid == getgid() && peer.process == getpid())
            shutdown(sender, Int32(SHUT_RDWR))
            #expect(throws: DescriptorPassingError.closed) {
                try DescriptorPassing.receive(upTo: 9, over: receiver)
            }
            #expect(throws: DescriptorPassingError.closed) {
                try DescriptorPassing.send(Frame(bytes: [1]), over: receiver)
            }
        }
    }
}
