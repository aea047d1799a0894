import Console
import Dispatch
import Fuse
import Logging
import Store
import Synchronization

/// The parts of a running agent: the store, what follows its changes, the mounts, the socket.
final class Agent: Sendable {
    private let store: SecretStore
    private let audit: AgentAudit
    /// For what users do.
    private let trail: LimitedTrail
    private let server: CommandSocket
    /// Nil where there can be no public socket.
    private let publicServer: PublicServer?
    private let state: StateDirectory
    private let mounts: ServedMounts
    private let adminMounts: AdminMounts
    private let loop: SessionLoop
    private let following: Following
    private let accepting = DispatchQueue(label: "accept", attributes: .concurrent)
    private let idle: IdleTimer?
    /// Where this machine is a node.
    private let node: NodeViews?
    /// Where it is none.
    private let external: ExternalValues?

    init(
        _ store: SecretStore, _ state: StateDirectory, _ signals: StopSignals, _ log: Logger,
        exitWhenIdle: Int?
    ) throws {
        let socket = try AgentSocket.listen(state)
        let node = try store.membership().map { NodeViews(store, $0, log) }
        self.node = node
        // A node's server knows no users of this machine: whom it lists are others.
        let publicSocket = node == nil ? PublicSocket.listen(state, log) : nil
        self.state = state
        let idle = exitWhenIdle.map { IdleTimer(seconds: $0) }
        do {
            loop = try SessionLoop()
        } catch {
            throw Failure(.system, "the agent's threads cannot be started: \(error)")
        }
        self.store = store
        let audit = AgentAudit(store, log)
        self.audit = audit
        let trail = LimitedTrail(audit.writer)
        self.trail = trail
        let follower = Follower()
        let uses = Uses { isUsed in isUsed ? idle?.cancel() : idle?.restart() }
        let external = ExternalValues(store, log)
        self.external = node == nil ? external : nil
        let source: any ViewSource = node ?? StoreViews(store: store, external: external)
        let mounts = ServedMounts(store, source, trail, loop, log) { isUsed in
            uses.change(by: isUsed ? 1 : -1)
        }
        let adminMounts = AdminMounts(store, trail, loop, follower, log) { isUsed in
            uses.change(by: isUsed ? 1 : -1)
        }
        self.mounts = mounts
        self.adminMounts = adminMounts
        self.idle = idle
        // From the moment that it is found idle, a mount is refused, and its command starts another agent.
        idle?.onIdle {
            guard adminMounts.closeIfEmpty() else { return }
            if mounts.closeIfEmpty() { signals.stop() } else { adminMounts.reopen() }
        }
        let keys = AgentKeys(store, mounts, adminMounts, log)
        let commands = AgentCommands(mounts, adminMounts, keys, audit.writer, follower, node, external)
        server = CommandSocket(
            socket, audit.writer, log, onStop: { signals.stop() },
            { request, peer, descriptors in try commands.answer(request, peer, descriptors) })
        publicServer = publicSocket.map {
            PublicServer($0, store, mounts, adminMounts, trail, log)
        }
        following = try Following(
            store, onChange: { affected in mounts.refresh(affected) }, onKeyring: { keys.follow() },
            onAuditSettings: { audit.readSettings() },
            onAdministrators: { adminMounts.endUnlisted() },
            onProviders: { external.reload() },
            onProblem: { problem, isLasting in
                if isLasting { mounts.withholdAll() }
                log.error(
                    "changes cannot be read; trying again",
                    metadata: [
                        "reason": "\(Failure(problem).message)",
                        "mounts": isLasting ? "nothing is opened" : "as before",
                    ])
            })
        follower.follow(following)
        // From now on commands that change the keys find the socket; one that was faster is noticed here.
        guard try store.hasNewestKeys() else { throw StoreError.keysOutdated }
    }

    /// - Throws: if that cannot be recorded; then nothing is served.
    func start() throws {
        try audit.start()
        let mounts = mounts
        try node?.start { affected in mounts.refresh(affected) }
        try external?.start { affected in mounts.refresh(affected) }
        let server = server
        accepting.async { server.run() }
        if let publicServer { accepting.async { publicServer.run() } }
        idle?.restart()
    }

    /// Unmounts, ends every session, and returns when nothing runs any more.
    func stop() {
        server.close()
        if let publicServer {
            publicServer.close()
            PublicSocket.remove(state)
        }
        following.cancel()
        node?.stop()
        external?.stop()
        mounts.close()
        adminMounts.close()
        loop.stop()
        trail.end()
        audit.stop()
    }
}

/// Of the kinds of mounts, how many there is one of.
private final class Uses: Sendable {
    private let count = Mutex(0)
    private let onUse: @Sendable (_ isUsed: Bool) -> Void

    init(onUse: @escaping @Sendable (_ isUsed: Bool) -> Void) { self.onUse = onUse }

    func change(by step: Int) {
        count.withLock { count in
            let before = count
            count += step
            if before == 0 || count == 0 { onUse(count > 0) }
        }
    }
}

/// Fires when the agent has had no mount for a while.
final class IdleTimer: Sendable {
    private let seconds: Int
    private let action = Mutex<(@Sendable () -> Void)?>(nil)
    private let generation = Atomic(0)

    init(seconds: Int) { self.seconds = seconds }

    func onIdle(_ action: @escaping @Sendable () -> Void) { self.action.withLock { $0 = action } }

    /// Starts to count again.
    func restart() {
        let mine = generation.add(1, ordering: .relaxed).newValue
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) { [self] in
            if generation.load(ordering: .relaxed) == mine { action.withLock { $0 }?() }
        }
    }

    /// A mount came.
    func cancel() { generation.add(1, ordering: .relaxed) }
}
