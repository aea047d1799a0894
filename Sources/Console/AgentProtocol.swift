package import FoundationEssentials
package import SecretFS
package import Secrets
package import Store

/// What is said over the agent's socket: one request, one answer, as JSON behind a length. No value ever
/// goes this way, and the root key only through a pipe of its own; a mount's FUSE descriptor goes with the request that asks to serve it.
package enum AgentRequest: Codable {
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
    /// The external secrets of an algorithm that have no value yet.
    case awaited(algorithm: String)
    /// Unmount everything and end.
    case stop
}

package struct ServeRequest: Codable {
    package let algorithm: String
    /// Where it is mounted, for people and for the agent's clean stop; in the caller's mount namespace.
    package let mountPoint: String
    package let uid: UInt32
    package let gid: UInt32
    package let fileMode: UInt16
    /// In a mount namespace of its own: nobody but the program sees it.
    package let isPrivate: Bool
    /// In which the mount was made: the kernel names callers by their numbers there. Nil: not known.
    package let processNamespace: NamespaceID?

    package init(
        algorithm: String, mountPoint: String, uid: UInt32, gid: UInt32, fileMode: UInt16, isPrivate: Bool,
        processNamespace: NamespaceID?
    ) {
        self.algorithm = algorithm
        self.mountPoint = mountPoint
        self.uid = uid
        self.gid = gid
        self.fileMode = fileMode
        self.isPrivate = isPrivate
        self.processNamespace = processNamespace
    }
}

package struct AdminServeRequest: Codable {
    /// As `ServeRequest.mountPoint`.
    package let mountPoint: String
    /// Who owns the tree: besides root, nobody else gets in.
    package let uid: UInt32
    package let gid: UInt32
    /// As `ServeRequest.processNamespace`.
    package let processNamespace: NamespaceID?

    package init(mountPoint: String, uid: UInt32, gid: UInt32, processNamespace: NamespaceID?) {
        self.mountPoint = mountPoint
        self.uid = uid
        self.gid = gid
        self.processNamespace = processNamespace
    }
}

package enum AgentAnswer: Codable {
    case done
    case status(AgentStatus)
    case mounts([ServedMountReport])
    case awaited([ExternalStatus])
    case failure(status: Int32, message: String, hint: String?)
}

package struct AgentStatus: Codable {
    package let version: String
    package let pid: Int32
    package let mounts: Int
    package let started: String
    /// It has no keys.
    package let sealed: Bool
    /// Storage has a keyring that it was not told of.
    package let keysOutdated: Bool
    /// Where this machine is a node: its connection to the server.
    package let node: NodeStatus?
    /// External secrets that mounts show and that have no value now, or none that is confirmed: the first fifty.
    package let external: [ExternalStatus]?

    package init(
        version: String, pid: Int32, mounts: Int, started: String, sealed: Bool, keysOutdated: Bool,
        node: NodeStatus? = nil, external: [ExternalStatus]? = nil
    ) {
        self.node = node
        self.external = external
        self.version = version
        self.pid = pid
        self.mounts = mounts
        self.started = started
        self.sealed = sealed
        self.keysOutdated = keysOutdated
    }
}

package struct ExternalStatus: Codable {
    package let provider: String
    package let reference: String
    package let algorithms: [String]
    /// Whether the last value is opened.
    package let hasValue: Bool
    /// Whether the provider said, twice, that there is none.
    package let absent: Bool
    /// What the provider said; nil: nothing yet.
    package let reason: String?

    /// On a node, where nobody knows what its server asks for.
    package init(_ entry: Entry, of algorithm: AlgorithmName) {
        provider = (try? entry.sealed.details().provider.text) ?? ""
        reference = entry.name.text
        algorithms = [algorithm.description]
        hasValue = false
        absent = false
        reason = "the server has no value of it from its provider; its log says why"
    }

    package init(_ trouble: ProviderTrouble) {
        provider = trouble.origin.provider.text
        reference = trouble.origin.reference.description
        algorithms = trouble.algorithms.prefix(10).map(\.description)
        hasValue = trouble.hasValue
        absent = trouble.isAbsent
        reason = trouble.failure.map { "\($0.kind): \($0.message)" }
    }
}

package struct NodeStatus: Codable {
    package let name: String
    package let server: String
    package let connected: Bool
    /// Since when it is so.
    package let since: String
    /// Why it is not connected.
    package let reason: String?
    package let revoked: Bool
    /// In seconds: how long entries are opened that the server has not confirmed.
    package let maxStale: Int
    /// In seconds: how far the server's clock is ahead.
    package let clockDifference: Int

    package init(
        name: String, server: String, connected: Bool, since: String, reason: String?, revoked: Bool,
        maxStale: Int, clockDifference: Int
    ) {
        self.name = name
        self.server = server
        self.connected = connected
        self.since = since
        self.reason = reason
        self.revoked = revoked
        self.maxStale = maxStale
        self.clockDifference = clockDifference
    }
}

extension AgentAnswer {
    package init(_ failure: Failure) {
        self = .failure(status: failure.status.rawValue, message: failure.message, hint: failure.hint)
    }
}
