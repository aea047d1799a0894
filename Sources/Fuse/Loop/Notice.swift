import CFuse
import Glibc

/// Something the kernel is told without having asked.
enum Notice: Sendable {
    case name(String, NodeID)
    case node(NodeID, data: Bool)
    case wake(PollHandle)

    /// Notices that say the same while none of them is sent; nil: each counts.
    enum Key: Hashable {
        case name(String, NodeID)
        case node(NodeID, data: Bool)
    }
    var key: Key? {
        switch self {
        case .name(let name, let directory): .name(name, directory)
        case .node(let node, let data): .node(node, data: data)
        case .wake: nil
        }
    }

    /// Tells it. That the kernel does not know the name or node (ENOENT) is normal.
    func send(to session: Session) {
        switch self {
        case .name(let name, let directory):
            _ = unsafe name.withCString { text in
                unsafe fuse_lowlevel_notify_inval_entry(session.raw, directory.rawValue, text, strlen(text))
            }
        case .node(let node, let data):
            // A negative offset spares the pages.
            _ = unsafe fuse_lowlevel_notify_inval_inode(session.raw, node.rawValue, data ? 0 : -1, 0)
        case .wake(let handle): _ = unsafe fuse_lowlevel_notify_poll(handle.raw)
        }
    }
}
