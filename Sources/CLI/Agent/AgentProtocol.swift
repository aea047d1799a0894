import FoundationEssentials
import SecretFS
import Store

/// What is said over the agent's socket: one request, one answer, as JSON behind a length. No value ever
/// goes this way, and the root key only through a pipe of its own; a mount's FUSE descriptor goes with the request that asks to serve it.
enum AgentRequest: Codable {
    case status
    /// Sorted by mount point; a page that starts after `skip` of them, empty after the last.
    case mounts(skip: Int)
    /// Comes with the mounted FUSE descriptor, and where `fusermount3` mounted, with its socket.
    case serve(ServeRequest)
    /// Forget the keys.
    case seal
    /// Comes with a pipe that holds the root key: open the keyring that storage has.
    case unseal
    /// Comes with a pipe that holds the root key: learn what this keyring, which is about to be stored, opens to.
    case expect(keyring: Data)
    /// As `serve`, for the store as a writable tree.
    case serveAdmin(AdminServeRequest)
    /// Answer when mounts show what the commit of this number changed.
    case shown(revision: UInt64)
    /// Unmount everything and end.
    case stop
}

struct ServeRequest: Codable {
    let algorithm: String
    /// Where it is mounted, for people and for the agent's clean stop; in the caller's mount namespace.
    let mountPoint: String
    let uid: UInt32
    let gid: UInt32
    let fileMode: UInt16
    /// In a mount namespace of its own: nobody but the program sees it.
    let isPrivate: Bool
    /// In which the mount was made: the kernel names callers by their numbers there. Nil: not known.
    let processNamespace: NamespaceID?
}

struct AdminServeRequest: Codable {
    /// As `ServeRequest.mountPoint`.
    let mountPoint: String
    /// Who owns the tree: besides root, nobody else gets in.
    let uid: UInt32
    let gid: UInt32
    /// As `ServeRequest.processNamespace`.
    let processNamespace: NamespaceID?
}

enum AgentAnswer: Codable {
    case done
    case status(AgentStatus)
    case mounts([ServedMountReport])
    case failure(status: Int32, message: String, hint: String?)
}

struct AgentStatus: Codable {
    let version: String
    let pid: Int32
    let mounts: Int
    let started: String
    /// It has no keys.
    let sealed: Bool
    /// Storage has a keyring that it was not told of.
    let keysOutdated: Bool
}

extension AgentAnswer {
    init(_ failure: Failure) {
        self = .failure(status: failure.status.rawValue, message: failure.message, hint: failure.hint)
    }
}
