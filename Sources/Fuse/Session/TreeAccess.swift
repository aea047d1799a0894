import Synchronization

/// What the callbacks of one session work on: its tree, the handles the kernel holds in it, and the way back
/// to the kernel for poll wake-ups.
final class TreeAccess: Sendable {
    let session: Session.ID
    let tree: any FileTree
    private let notifier: Notifier
    private let held = Mutex(Held())

    private struct Held: Sendable {
        var files: Set<HandleID> = []
        var directories: Set<HandleID> = []
    }

    init(session: Session.ID, tree: any FileTree, notifier: Notifier) {
        self.session = session
        self.tree = tree
        self.notifier = notifier
    }

    func openFile(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        let handle = try tree.open(node, by: caller)
        held.withLock { held in _ = held.files.insert(handle) }
        return handle
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

    /// Closes what the kernel will not close any more, because the mount is gone.
    func closeAll() {
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
