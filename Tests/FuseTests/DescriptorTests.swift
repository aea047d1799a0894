import Fuse
import Glibc
import Synchronization
import TestSupport
import Testing

@Suite(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"), .timeLimit(.minutes(5)))
struct `A descriptor that is no mount` {
    @Test(arguments: ["/dev/null", "/dev/zero", "/proc/self/exe", "/"])
    func `is refused`(_ path: String) throws {
        let loop = try SessionLoop(workers: 1)
        defer { loop.stop() }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        #expect(throws: SessionError.descriptor(errno: ENODEV)) {
            try loop.add(descriptor, serving: NoTree())
        }
    }

    @Test func `is refused if it is a pipe or closed`() throws {
        let loop = try SessionLoop(workers: 1)
        defer { loop.stop() }
        var ends: [Int32] = [-1, -1]
        try #require(pipe(&ends) == 0)
        #expect(throws: SessionError.descriptor(errno: ENODEV)) { try loop.add(ends[0], serving: NoTree()) }
        var byte: UInt8 = 0
        // The other end tells that the loop has closed its own.
        signal(SIGPIPE, SIG_IGN)
        #expect(write(ends[1], &byte, 1) == -1 && errno == EPIPE)
        close(ends[1])
        #expect(throws: SessionError.descriptor(errno: EBADF)) { try loop.add(-1, serving: NoTree()) }
    }

    @Test func `that was lent is not served before it is attached to one`() throws {
        let lent = try DeviceCopy.open()
        defer { close(lent) }
        #expect(fcntl(lent, F_GETFD) == FD_CLOEXEC)
        #expect(throws: DeviceCopy.Failure.notMounted) { try DeviceCopy.make(of: lent) }
        let other = open("/dev/fuse", O_RDWR | O_CLOEXEC)
        defer { close(other) }
        #expect(throws: DeviceCopy.Failure.notMounted) { try DeviceCopy.attach(lent, to: other) }
        #expect(throws: DeviceCopy.Failure.notMounted) { try DeviceCopy.attach(other, to: lent) }
    }

    @Test func `ends at once if nothing is mounted on it`() throws {
        let loop = try SessionLoop(workers: 1)
        defer { loop.stop() }
        let end = Mutex<SessionEnd?>(nil)
        try loop.add(open("/dev/fuse", O_RDWR | O_CLOEXEC), serving: NoTree()) { why in
            end.withLock { $0 = why }
        }
        while end.withLock({ $0 }) == nil { usleep(1000) }
        #expect(end.withLock { $0 } == .failed(errno: EPERM))
    }
}

/// Has nothing.
private final class NoTree: FileTree {
    func lookUp(_ name: Span<UInt8>, in directory: NodeID) throws(Refusal) -> Node { throw .notFound }
    func forget(_ node: NodeID, lookups count: UInt64) {}
    func attributes(of node: NodeID, handle: HandleID?) throws(Refusal) -> Node { throw .stale }
    func open(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID { throw .stale }
    func read(
        _ handle: HandleID, at offset: UInt64, count: Int, _ answer: (RawSpan) -> Void
    ) throws(Refusal) { throw .damaged }
    func close(_ handle: HandleID) {}
    func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID { throw .stale }
    func readDirectory(
        _ handle: HandleID, after offset: UInt64, _ add: (borrowing DirectoryEntry) -> Bool
    ) throws(Refusal) { throw .damaged }
    func closeDirectory(_ handle: HandleID) {}
    func extendedAttribute(_ name: Span<UInt8>, of node: NodeID) throws(Refusal) -> [UInt8] {
        throw .noAttribute
    }
    func extendedAttributeNames(of node: NodeID) throws(Refusal) -> [UInt8] { [] }
    func poll(_ handle: HandleID, _ waker: PollWaker?) throws(Refusal) -> Readiness { .quiet }
}
