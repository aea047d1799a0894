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
    let onProblem: @Sendable (_ file: String, Refusal) -> Void
    let state: Mutex<TreeState>

    /// - Parameter onProblem: told the name of each file that could not be opened or read, and why, for
    ///   the log.
    package init(
        _ view: AlgorithmView, attributes: MountAttributes,
        onProblem: @escaping @Sendable (_ file: String, Refusal) -> Void
    ) {
        self.attributes = attributes
        self.onProblem = onProblem
        state = Mutex(TreeState(view))
    }

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

    // MARK: Files

    package func open(_ id: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        if id == .root { throw .isDirectory }
        let (content, plaintext) = state.withLock { state in
            (state.contentToOpen(id, by: caller.thread), state.files.plaintext(of: id))
        }
        guard let content else { throw .stale }
        let file: OpenFile
        if let plaintext {
            file = .pinned(plaintext, of: id)
        } else {
            do { file = try open(content, of: id) } catch let error {
                onProblem(content.fileName, error)
                throw error
            }
        }
        return state.withLock { state in state.files.add(file) }
    }

    private func open(_ content: Content, of id: NodeID) throws(Refusal) -> OpenFile {
        do {
            switch content {
            case .entry(let entry):
                try checkRoom(for: entry.count)
                let value = try SecretValue(capacity: entry.count) { try entry.sealed.open(into: &$0) }
                guard value.count == entry.count else { throw Refusal.damaged }
                return .pinned(value, of: id)
            case .environ(let view, let count):
                guard count <= Environ.maximumCount else { throw Refusal.tooLarge }
                try checkRoom(for: count)
                return .pinned(try Environ.build(view.entries, count: count), of: id)
            case .generation:
                return .generation(GenerationReader())
            case .retired:
                throw Refusal.stale
            }
        } catch let refusal as Refusal {
            throw refusal
        } catch OpenError.sealed {
            throw .sealed
        } catch is SecretMemoryError {
            throw .noMemory
        } catch {
            throw .damaged
        }
    }

    private func checkRoom(for count: Int) throws(Refusal) {
        guard state.withLock({ $0.files.hasRoom(for: count) }) else { throw .noMemory }
    }

    package func read(
        _ handle: HandleID, at offset: UInt64, count: Int, _ answer: (RawSpan) -> Void
    ) throws(Refusal) {
        let file = state.withLock { state in
            state.files.file(handle, readAt: offset, of: state.view.generation)
        }
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

    package func close(_ handle: HandleID) {
        state.withLock { state in state.files.remove(handle) }
    }

    package func poll(_ handle: HandleID, _ waker: PollWaker?) throws(Refusal) -> Readiness {
        state.withLock { state in state.files.poll(handle, waker, of: state.view.generation) }
    }

    // MARK: Directory

    package func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        guard node == .root else { throw .notDirectory }
        return state.withLock { state in state.files.add(.directory(state.listing())) }
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
