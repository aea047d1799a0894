import Console
import Fuse
import Logging
import SecretFS
import Secrets
import Store
import Synchronization

/// The admin mounts that this agent serves.
final class AdminMounts: Sendable {
    struct Mount: Sendable {
        let request: AdminServeRequest
        let since: Timestamp
        let session: Session
        /// The listed administrator whose it is; nil: root's or the agent's own.
        let user: UInt32?
    }
    /// Of one listed administrator: each has a thread and locked memory of its own. And of all of them.
    static let maximumOfUser = 8
    static let maximumOfUsers = 64

    private struct State {
        /// By a number of ours: a session's is known only after it may have ended.
        var mounts: [Int: Mount] = [:]
        var last = 0
        var isClosed = false
    }
    private let administration: StoreAdministration
    private let store: SecretStore
    private let callers = ProcessResolver { _, _ in nil }
    private let trail: any AuditTrail
    private let loop: SessionLoop
    private let log: Logger
    private let processNamespace = NamespaceID.ofProcesses()
    private let state = Mutex(State())
    /// Told that there is a first mount, or that the last one has gone.
    private let onUse: @Sendable (_ isUsed: Bool) -> Void

    init(
        _ store: SecretStore, _ trail: any AuditTrail, _ loop: SessionLoop, _ follower: Follower,
        _ log: Logger,
        onUse: @escaping @Sendable (_ isUsed: Bool) -> Void
    ) {
        self.store = store
        administration = StoreAdministration(store, trail, follower, log)
        self.trail = trail
        self.loop = loop
        self.log = log
        self.onUse = onUse
    }

    var mounts: [Mount] { state.withLock { Array($0.mounts.values) } }

    /// Serves `request` on `descriptor`; `keeper` is what fusermount3 needs open as long as it is served.
    ///
    /// - Parameters:
    ///   - actor: who asks.
    ///   - user: a listed administrator, whose mount it is to be.
    func serve(
        _ request: AdminServeRequest, by actor: AuditActor, on descriptor: OwnedDescriptor,
        keeper: OwnedDescriptor?, for user: UInt32? = nil
    ) throws {
        if let user {
            try state.withLock { try Self.checkRoom(for: user, $0.mounts.values.compactMap(\.user)) }
        }
        try trail.record([
            AuditEvent(.mount, by: actor, detail: "for administration: \(request.mountPoint)")
        ])
        let knowsThreads = request.processNamespace != nil && request.processNamespace == processNamespace
        let tree = AdminTree(
            administration, uid: request.uid, gid: request.gid, knowsThreads: knowsThreads,
            onlyFor: user, whileListed: { [store] in Self.isListed(user, store) }, callers: callers,
            onProblem: Self.reporter(to: log))
        // Under the lock, so that a mount that ends at once is in the table before it is taken out.
        try state.withLock { state in
            guard !state.isClosed else {
                throw Failure(.unavailable, "the agent is stopping", hint: "try again")
            }
            if let user { try Self.checkRoom(for: user, state.mounts.values.compactMap(\.user)) }
            state.last += 1
            let number = state.last
            let session: Session
            do {
                session = try loop.add(descriptor.release(), keeper: keeper?.release(), serving: tree) {
                    [weak self] end in
                    self?.remove(number, end)
                }
            } catch {
                throw Failure(.system, "the mount cannot be served: \(error)")
            }
            state.mounts[number] = Mount(request: request, since: .now(), session: session, user: user)
            if state.mounts.count == 1 { onUse(true) }
        }
        log.info(
            "mounted for administration",
            metadata: [
                "mount-point": "\(printable(request.mountPoint))", "uid": "\(request.uid)",
            ])
    }

    /// Why a change was refused; each reason once a minute.
    private static func reporter(to log: Logger) -> @Sendable (AdminTree.Problem) -> Void {
        let seldom = Seldom()
        return { problem in
            guard seldom.allows("\(problem.path) \(problem.message)") else { return }
            var metadata: Logger.Metadata = ["path": "\(problem.path)", "reason": "\(problem.message)"]
            if let remedy = problem.remedy { metadata["remedy"] = "\(remedy)" }
            log.warning("a change by the admin mount was refused", metadata: metadata)
        }
    }

    /// Read anew: a mount that is being made while its user is taken off the list must not outlive that.
    private static func isListed(_ user: UInt32?, _ store: SecretStore) -> Bool {
        guard let user else { return true }
        return ListedUsers.allow(user, (try? store.administrators()) ?? UserList())
    }

    private static func checkRoom(for user: UInt32, _ users: [UInt32]) throws(Failure) {
        guard users.count(where: { $0 == user }) < maximumOfUser else {
            throw Failure(
                .system, "user \(user) has \(maximumOfUser) mounts for administration, and may have no more",
                hint: "unmount some: secretfs mounts lists them")
        }
        guard users.count < maximumOfUsers else {
            throw Failure(.system, "this agent serves \(maximumOfUsers) mounts of administrators and no more")
        }
    }

    /// Ends the mounts of administrators who are not listed any more; of all listed ones if that cannot be read.
    func endUnlisted() {
        let users = state.withLock { $0.mounts.values.compactMap(\.user) }
        // A sealed agent changes nothing; `unseal` makes up for it.
        guard !users.isEmpty, !store.isSealed else { return }
        let allowed = (try? store.administrators()) ?? UserList()
        let ended = state.withLock { state in
            state.mounts.values.filter { mount in
                mount.user.map { !ListedUsers.allow($0, allowed) } ?? false
            }
        }
        for mount in ended { loop.remove(mount.session) }
        ListedUsers.detach(ended.map { (uid: $0.request.uid, point: $0.request.mountPoint) })
    }

    private func remove(_ number: Int, _ end: SessionEnd) {
        let gone = state.withLock { state in
            let gone = state.mounts.removeValue(forKey: number)
            if gone != nil, state.mounts.isEmpty { onUse(false) }
            return gone
        }
        guard let gone else { return }
        let event = AuditEvent(
            .unmount, by: .thisProcess, detail: "for administration: \(gone.request.mountPoint)")
        // Never waited for on a thread that answers the kernel.
        _ = try? trail.record(event) { _ in }
        log.info(
            "unmounted",
            metadata: ["mount-point": "\(printable(gone.request.mountPoint))", "end": "\(end)"])
    }

    /// Refuses mounts from now on if there is none.
    ///
    /// - Returns: whether mounts are refused now.
    func closeIfEmpty() -> Bool {
        state.withLock { state in
            if state.mounts.isEmpty { state.isClosed = true }
            return state.isClosed
        }
    }

    /// Undoes `closeIfEmpty`.
    func reopen() { state.withLock { $0.isClosed = false } }

    /// No more mounts; those that are there are unmounted where this process can see them, then ended.
    func close() {
        let mounts = state.withLock { state in
            state.isClosed = true
            return Array(state.mounts.values)
        }
        ListedUsers.detach(
            mounts.filter { $0.user != nil }.map { (uid: $0.request.uid, point: $0.request.mountPoint) })
        detachVisible(mounts.filter { $0.user == nil }.map(\.request.mountPoint), log)
        for mount in mounts { loop.remove(mount.session) }
    }
}
