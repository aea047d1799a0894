import Synchronization

/// What the callbacks of one session work on: its tree, the handles the kernel holds in it, and the way back
/// to the kernel for poll wake-ups.
final class TreeAccess: Sendable {
    let session: Session.ID
    let tree: any FileTree
    /// The same tree, if callers may change it.
    let writable: (any WritableTree)?
    private let notifier: Notifier
    private let held = Mutex(Held())

    private struct Held: Sendable {
        var files: Set<HandleID> = []
        var directories: Set<HandleID> = []
    }

    init(session: Session.ID, tree: any FileTree, notifier: Notifier) {
        self.session = session
        self.tree = tree
        writable = tree as? any WritableTree
        self.notifier = notifier
    }

    /// Opens a file, and answers now or from another thread when the tree is ready.
    func openFile(_ node: NodeID, for request: Request) throws(Refusal) -> Reply {
        let open = LateOpen(self)
        let handle = try tree.open(node, by: request.caller) { result in open.finish(result) }
        if let handle { return .file(hold(handle)) }
        guard let result = open.wait(request) else { return .sent }
        return .file(hold(try result.get()))
    }

    /// From now on it is closed with the session, if the kernel does not do so before.
    private func hold(_ handle: HandleID) -> HandleID {
        held.withLock { held in _ = held.files.insert(handle) }
        return handle
    }

    /// A file that the tree opened otherwise than by `openFile`.
    func hold(_ handle: HandleID) {
        held.withLock { held in _ = held.files.insert(handle) }
    }

    func closeFile(_ handle: HandleID) {
        let wasHeld = held.withLock { held in held.files.remove(handle) != nil }
        if wasHeld { tree.close(handle) }
    }

    func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        let handle = try tree.openDirectory(node, by: caller)
        held.withLock { held in _ = held.directories.insert(handle) }
        return handle
    }

    func closeDirectory(_ handle: HandleID) {
        let wasHeld = held.withLock { held in held.directories.remove(handle) != nil }
        if wasHeld { tree.closeDirectory(handle) }
    }

    // MARK: Late answers

    /// Requests that are answered from other threads; nil once the session is over.
    private let late = Mutex<[ObjectIdentifier: Request]?>([:])

    /// Once the session is over, the request is dropped.
    func keep(_ request: Request, for open: LateOpen) {
        late.withLock { late in
            guard late != nil else { return request.drop() }
            late?[ObjectIdentifier(open)] = request
        }
    }

    func answer(_ open: LateOpen, _ result: Result<HandleID, Refusal>) {
        // Under the lock, so that libfuse's session is not destroyed meanwhile. An answer never waits.
        let isSent = late.withLock { late in
            guard let request = late?.removeValue(forKey: ObjectIdentifier(open)) else { return false }
            switch result {
            case .success(let handle): request.send(.file(hold(handle)))
            case .failure(let refusal): request.refuse(errno: refusal.errno)
            }
            return true
        }
        if !isSent, case .success(let handle) = result { tree.close(handle) }
    }

    /// Closes what the kernel will not close any more, because the mount is gone. Nothing is answered after that.
    func closeAll() {
        late.withLock { late in
            for request in (late ?? [:]).values { request.drop() }
            late = nil
        }
        let left = held.withLock { held in
            defer { held = Held() }
            return held
        }
        for handle in left.files { tree.close(handle) }
        for handle in left.directories { tree.closeDirectory(handle) }
    }

    func waker(for handle: PollHandle) -> PollWaker {
        PollWaker { [notifier, session] in notifier.enqueue(.wake(handle), for: session) }
    }
}
