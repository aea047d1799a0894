package import Fuse
package import Secrets
import Synchronization

/// What one algorithm's mount shows: a file per entry, `.environ` and `.generation` (docs/SEMANTICS.md).
///
/// **An inode is one version of one entry**, and for `.environ` one generation. Its size, time and bytes
/// never change, so a process that looks a name up, opens it and reads `st_size` bytes gets one version
/// whole, however the calls and an update interleave. Opening an inode whose version was replaced is
/// answered with ESTALE, on which the kernel looks the name up again and retries, once: an open shows the newest
/// version even where the kernel still has the name cached, and `TreeState.contentToOpen` has what follows from
/// that.
package final class AlgorithmTree: FileTree {
    package let attributes: MountAttributes
    /// Whose tree it is, and where each open is recorded.
    let algorithm: AlgorithmName
    let trail: any AuditTrail
    let callers: any CallerResolver
    /// Whether thread ids of requests are of our process namespace. The kernel gives those of the namespace in which
    /// the mount was made, whoever serves it (fuse_get_req in fs/fuse/dev.c, fc->pid_ns).
    let knowsThreads: Bool
    /// The only user whom it answers; nil: modes and rules decide.
    let user: UInt32?
    let onProblem: @Sendable (_ file: String, Refusal) -> Void
    let state: Mutex<TreeState>

    /// - Parameters:
    ///   - trail: where each open is recorded before anything of it is released.
    ///   - callers: finds out who opens, for rules and records.
    ///   - knowsThreads: whether the mount was made in our process namespace. If not, every rule denies.
    ///   - user: in the mount of a listed user: that user, and no process of anybody else is answered.
    ///   - onProblem: told the name of each file that could not be opened or read, and why, for the log.
    package init(
        _ view: AlgorithmView, of algorithm: AlgorithmName, attributes: MountAttributes,
        trail: any AuditTrail, callers: any CallerResolver = NoCallerResolver(), knowsThreads: Bool = true,
        onlyFor user: UInt32? = nil,
        onProblem: @escaping @Sendable (_ file: String, Refusal) -> Void
    ) {
        self.algorithm = algorithm
        self.attributes = attributes
        self.trail = trail
        self.callers = callers
        self.knowsThreads = knowsThreads
        self.user = user
        self.onProblem = onProblem
        state = Mutex(TreeState(view))
    }

    package var view: AlgorithmView { state.withLock { $0.view } }
    package var generation: UInt64 { state.withLock { $0.view.generation } }
    /// Whether a change of `secret` may change what this tree shows.
    package func dependsOn(_ secret: SharedSecret) -> Bool {
        state.withLock { $0.view.shared.contains(secret) }
    }
    package var entryCount: Int { state.withLock { $0.view.entries.count } }

    /// Shows `view` from now on. Open handles keep what they opened.
    ///
    /// - Returns: what the kernel must be told to forget.
    package func publish(_ view: AlgorithmView) -> [StaleName] {
        let (stale, wakers) = state.withLock { state in state.publish(view) }
        for waker in wakers { waker.wake() }
        return stale
    }

    /// Opens nothing more until the next `publish`: what is shown may not be shown any more. Open handles stay.
    package func withhold() { state.withLock { $0.isWithheld = true } }
    package var isWithheld: Bool { state.withLock { $0.isWithheld } }

    /// Opens and reads nothing any more, whoever holds the mount up.
    package func end() { state.withLock { $0.isEnded = true } }

    // MARK: Names

    package func lookUp(_ name: Span<UInt8>, in directory: NodeID) throws(Refusal) -> Node {
        guard directory == .root else { throw .notDirectory }
        let found = state.withLock { state in state.lookUp(name) }
        guard let found else { throw .notFound }
        return node(found.0, found.1)
    }

    package func forget(_ node: NodeID, lookups count: UInt64) {
        state.withLock { state in state.forget(node, lookups: count) }
    }

    package func attributes(of id: NodeID, handle: HandleID?) throws(Refusal) -> Node {
        if id == .root { return rootNode() }
        let content = state.withLock { state in state.content(of: id) }
        guard let content else { throw .stale }
        return node(id, content)
    }

    // MARK: Files; `open` is in AuditedOpen.swift and Opening.swift

    package func read(
        _ handle: HandleID, at offset: UInt64, count: Int, _ answer: (RawSpan) -> Void
    ) throws(Refusal) {
        let (file, isEnded) = state.withLock { state in
            (state.files.file(handle, readAt: offset, of: state.view.generation), state.isEnded)
        }
        guard !isEnded else { throw .denied }
        switch file {
        case .pinned(let value, _):
            value.withBytes { bytes in answer(bytes.extracting(window(offset, count, of: bytes.byteCount))) }
        case .generation(let reader):
            let text = Array(reader.text.utf8)
            unsafe answer(text.span.bytes.extracting(window(offset, count, of: text.count)))
        case .directory: throw .isDirectory
        case nil: throw .invalid
        }
    }

    package func mayBeCached(_ handle: HandleID) -> Bool {
        state.withLock { state in state.files.mayBeCached(handle) }
    }

    package func close(_ handle: HandleID) {
        state.withLock { state in state.files.remove(handle) }
    }

    package func poll(_ handle: HandleID, _ waker: PollWaker?) throws(Refusal) -> Readiness {
        state.withLock { state in state.files.poll(handle, waker, of: state.view.generation) }
    }

    // MARK: Directory

    package func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        guard node == .root else { throw .notDirectory }
        return try state.withLock { state throws(Refusal) in
            try state.files.add(.directory(state.listing()))
        }
    }

    package func readDirectory(
        _ handle: HandleID, after offset: UInt64, _ add: (borrowing DirectoryEntry) -> Bool
    ) throws(Refusal) {
        guard case .directory(let listing) = state.withLock({ $0.files.file(handle, readAt: 0, of: 0) })
        else {
            throw .invalid
        }
        for index in Int(clamping: offset)..<max(listing.count, Int(clamping: offset)) {
            guard add(listing.entry(at: index)) else { return }
        }
    }

    package func closeDirectory(_ handle: HandleID) {
        state.withLock { state in state.files.remove(handle) }
    }
}

/// The part of `available` bytes that a read of at most `count` from `offset` gets; empty at or past the end.
private func window(_ offset: UInt64, _ count: Int, of available: Int) -> Range<Int> {
    let start = min(Int(clamping: offset), available)
    return start..<(start + min(max(count, 0), available - start))
}
