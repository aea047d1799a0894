import CFuse
import CLinux
import Glibc
import Synchronization

/// One mount, as its server sees it: libfuse's session on a /dev/fuse descriptor that is mounted already.
///
/// Made by `SessionLoop.add`; requests are read and answered on one worker's thread only.
@safe package final class Session: Sendable {
    /// Never used twice in one process, unlike a descriptor's number.
    package struct ID: RawRepresentable, Hashable, Sendable {
        package let rawValue: UInt64
        package init(rawValue: UInt64) { self.rawValue = rawValue }
    }
    package let id: ID
    let descriptor: Int32
    private let keeper: Int32?
    let access: TreeAccess
    let worker: Worker
    // SAFETY: libfuse locks its session; it is destroyed once, after the notifier let go of it.
    nonisolated(unsafe) let raw: OpaquePointer

    private static let lastID = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - descriptor: the session's own from here on; closed in the end, also when this throws.
    ///   - keeper: as `Mounted.keeper`; closed after the descriptor.
    init(
        _ descriptor: Int32, keeper: Int32?, serving tree: any FileTree, worker: Worker
    ) throws(SessionError) {
        do { try Self.check(descriptor) } catch {
            if error != .descriptor(errno: EBADF) { close(descriptor) }
            if let keeper { close(keeper) }
            throw error
        }
        let notifier = worker.notifier
        let id = ID(rawValue: Self.lastID.wrappingAdd(1, ordering: .relaxed).newValue)
        let access = TreeAccess(session: id, tree: tree, notifier: notifier)
        let retained = unsafe Unmanaged.passRetained(access)
        guard let raw = unsafe Self.makeRaw(userdata: retained.toOpaque(), access.writable != nil) else {
            unsafe retained.release()
            close(descriptor)
            if let keeper { close(keeper) }
            throw .tooManySessions
        }
        do {
            try Self.prepare(descriptor)
            try unsafe Self.attach(raw, to: descriptor)
        } catch {
            unsafe fuse_session_destroy(raw)
            unsafe retained.release()
            close(descriptor)
            if let keeper { close(keeper) }
            throw error
        }
        self.id = id
        self.descriptor = descriptor
        self.keeper = keeper
        self.access = access
        self.worker = worker
        unsafe self.raw = raw
    }

    /// Closes what is open in the tree, and the descriptor: if it is the last one, the kernel ends the mount.
    /// Called once: by the worker, or for an abandoned session by the notifier's thread that had to let go of
    /// it. libfuse never uses the session after that.
    func destroy() {
        access.closeAll()
        unsafe fuse_session_destroy(raw)
        unsafe Unmanaged.passUnretained(access).release()
        if let keeper { close(keeper) }
    }

    /// Closes what is open in the tree and gives up the descriptor, while a notice is still under way in
    /// libfuse: `destroy` follows when it is done. The kernel ends the mount when the notice returns, because
    /// until then the notice keeps the connection alive. An aborted connection would not free it (tried on
    /// Linux 6.18), only the end of the process that sits on the directory.
    func abandon() {
        access.closeAll()
        // The number stays taken, by something that swallows notices: libfuse may be about to write to it.
        let quiet = eventfd(0, Int32(EFD_CLOEXEC) | Int32(EFD_NONBLOCK))
        // Without one the mount goes with the notice.
        guard quiet >= 0 else { return }
        dup2(quiet, descriptor)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        close(quiet)
    }

    /// Anything else reads as ready for ever and makes libfuse complain of each read.
    private static func check(_ descriptor: Int32) throws(SessionError) {
        guard fcntl(descriptor, F_GETFD) >= 0 else { throw .descriptor(errno: errno) }
        guard linux_is_fuse_device(descriptor) != 0 else { throw .descriptor(errno: ENODEV) }
    }

    private static func makeRaw(userdata: UnsafeMutableRawPointer, _ isWritable: Bool) -> OpaquePointer? {
        var operations = isWritable ? fuse_lowlevel_ops.writing() : fuse_lowlevel_ops.reading()
        return unsafe "secretfs".withCString { name in
            var argument: UnsafeMutablePointer<CChar>? = unsafe UnsafeMutablePointer(mutating: name)
            return unsafe withUnsafeMutablePointer(to: &argument) { arguments in
                var arguments = unsafe fuse_args(argc: 1, argv: arguments, allocated: 0)
                // libfuse copies the arguments when it parses them.
                defer { unsafe fuse_opt_free_args(&arguments) }
                return unsafe fuse_session_new(
                    &arguments, &operations, MemoryLayout<fuse_lowlevel_ops>.size, userdata)
            }
        }
    }

    private static func prepare(_ descriptor: Int32) throws(SessionError) {
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0,
            fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0
        else { throw .descriptor(errno: errno) }
    }

    private static func attach(_ raw: OpaquePointer, to descriptor: Int32) throws(SessionError) {
        var io = fuse_custom_io()
        unsafe io.read = { descriptor, buffer, count, _ in unsafe Glibc.read(descriptor, buffer, count) }
        unsafe io.writev = { descriptor, parts, count, _ in
            let written = unsafe Glibc.writev(descriptor, parts, count)
            // The request or its mount is gone: nothing to report. libfuse prints any errno but this one. EINVAL: whoever
            // mounted it has answered the mount's first request otherwise, and must not fill our log.
            if written == -1, [ENODEV, ECONNABORTED, ENOTCONN, EINVAL].contains(errno) { errno = ENOENT }
            return written
        }
        let result = unsafe fuse_session_custom_io(raw, &io, descriptor)
        guard result == 0 else { throw .descriptor(errno: -result) }
    }
}

extension Session {
    /// What came of asking for one request.
    enum Received {
        /// `count` bytes are in the buffer and are to be answered. `thread` is 0 where the kernel does not tell.
        case request(count: Int, thread: Int32, opens: Bool)
        /// It was withdrawn, or the reading was interrupted: there may be another.
        case nothing
        /// No request is waiting.
        case idle
        case ended(SessionEnd)
    }

    /// Reads one request into `buffer`, if one is waiting.
    func receive(into buffer: RequestBuffer) -> Received {
        let count = unsafe Glibc.read(descriptor, buffer.memory.baseAddress, buffer.memory.count)
        guard count >= 0 else { return Self.received(errno: errno) }
        // The kernel never does this: it is no FUSE device any more.
        guard count >= Int(linux_fuse_shortest_request) else { return .ended(.failed(errno: EPROTO)) }
        let head = unsafe buffer.memory.load(as: linux_fuse_head.self)
        return .request(
            count: count, thread: Int32(bitPattern: head.thread),
            opens: head.operation == UInt32(linux_fuse_open))
    }

    /// Answers the request of `count` bytes in `buffer`.
    ///
    /// - Returns: why the session is over, if it is.
    func answer(_ count: Int, in buffer: RequestBuffer) -> SessionEnd? {
        var request = unsafe fuse_buf()
        unsafe request.size = count
        unsafe request.mem = buffer.memory.baseAddress
        unsafe fuse_session_process_buf(raw, &request)
        buffer.wipe(count)
        // INIT found no common ground.
        return unsafe fuse_session_exited(raw) != 0 ? .failed(errno: EPROTO) : nil
    }

    private static func received(errno: Int32) -> Received {
        switch errno {
        case EAGAIN: .idle
        case EINTR, ENOENT: .nothing
        case ENODEV: .ended(.unmounted)
        case ECONNABORTED: .ended(.aborted)
        default: .ended(.failed(errno: errno))
        }
    }
}

extension Session {
    /// The kernel forgets what it knows of `name` in `directory`: the next use of the name asks again. Queued;
    /// never blocks; ignored once the session has ended.
    package func invalidate(name: String, in directory: NodeID) {
        worker.notifier.enqueue(.name(name, directory), for: id)
    }

    /// The kernel forgets the attributes of `node`, with `data` also its cached pages. Queued, as above.
    package func invalidate(_ node: NodeID, data: Bool) {
        worker.notifier.enqueue(.node(node, data: data), for: id)
    }
}

/// Why a session is over.
package enum SessionEnd: Hashable, Sendable {
    /// Nothing is mounted on the descriptor any more, or its connection was aborted through /sys/fs/fuse
    /// (the kernel tells the two apart only for servers that ask it to).
    case unmounted
    case aborted
    /// `SessionLoop.remove` or `stop`.
    case removed
    /// The descriptor cannot be read; EPERM: nothing was ever mounted on it.
    case failed(errno: Int32)
}

/// Why a session was not started.
package enum SessionError: Error, Equatable {
    /// libfuse takes one of the process's 1,024 thread-specific keys (PTHREAD_KEYS_MAX) per session, or
    /// memory is out.
    case tooManySessions
    /// Not a descriptor that can be served.
    case descriptor(errno: Int32)
    /// The loop has been stopped.
    case stopped
    /// No thread, or no epoll instance, could be made.
    case resources(errno: Int32)
}
