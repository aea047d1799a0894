import Console
import Glibc
import Secrets
import Store

/// What commands ask the agent over its socket.
struct AgentCommands: Sendable {
    private let mounts: ServedMounts
    private let adminMounts: AdminMounts
    private let keys: AgentKeys
    private let trail: any AuditTrail
    private let follower: Follower
    private let node: NodeViews?
    /// Of external secrets without a value, in one answer.
    private static let shownTroubles = 50
    private let external: ExternalValues
    private let started = Timestamp.now()

    init(
        _ mounts: ServedMounts, _ adminMounts: AdminMounts, _ keys: AgentKeys, _ trail: any AuditTrail,
        _ follower: Follower, _ node: NodeViews?, _ external: ExternalValues
    ) {
        self.external = external
        self.mounts = mounts
        self.adminMounts = adminMounts
        self.keys = keys
        self.trail = trail
        self.follower = follower
        self.node = node
    }

    func answer(
        _ request: AgentRequest, _ peer: AuditActor, _ descriptors: [OwnedDescriptor]
    ) throws -> AgentAnswer {
        if let answer = try KeyRequests.answer(request, peer, descriptors, keys, trail) { return answer }
        switch request {
        case .status:
            return .status(
                AgentStatus(
                    version: CommandProgram.version, pid: getpid(),
                    mounts: mounts.count + adminMounts.mounts.count, started: started.description,
                    sealed: keys.isSealed, keysOutdated: keys.isOutdated, node: node?.status,
                    external: (node?.awaited() ?? external.troubles.map { ExternalStatus($0) })
                        .prefix(Self.shownTroubles)
                        .map(\.self)))
        case .mounts(let skip):
            let all =
                mounts.mounts.map(ServedMountReport.init) + adminMounts.mounts.map(ServedMountReport.init)
            return .mounts(ServedMountReport.page(of: all, skip: skip))
        case .serve(let request):
            guard let device = descriptors.first else {
                throw Failure(.badInput, "no FUSE descriptor came with the request")
            }
            try mounts.serve(request, by: peer, on: device, keeper: descriptors.dropFirst().first)
            return .done
        case .serveAdmin(let request):
            if let node { throw StoreError.isNode(server: node.status.server) }
            // Whoever else may ask for a mount some day may not ask for this one.
            guard let uid = peer.uid, [0, geteuid()].contains(uid)
            else { throw Failure(.denied, "only root and the agent's user may have an admin mount") }
            guard let device = descriptors.first else {
                throw Failure(.badInput, "no FUSE descriptor came with the request")
            }
            try adminMounts.serve(request, by: peer, on: device, keeper: descriptors.dropFirst().first)
            return .done
        case .shown(let revision):
            guard follower.show(upTo: Revision(rawValue: revision)) else {
                throw Failure(.retry, "the agent cannot show changes now")
            }
            return .done
        case .awaited(let algorithm):
            let name = try AlgorithmName(algorithm)
            let awaited =
                node?.awaited(by: name)
                ?? external.awaited(by: name, atMost: Self.shownTroubles).map { ExternalStatus($0) }
            return .awaited(Array(awaited.prefix(Self.shownTroubles)))
        case .stop, .seal, .unseal, .expect:
            return .done
        }
    }
}
