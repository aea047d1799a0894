import Console
import Fuse
import Logging
import SecretFS
import Secrets
import Store
import Synchronization

/// The mounts that this agent serves, and the path of every change into them.
final class ServedMounts: Sendable {
    struct Mount: Sendable {
        let request: ServeRequest
        let algorithm: AlgorithmName
        let since: Timestamp
        let tree: AlgorithmTree
        let session: Session
        /// The listed user whose it is; nil: root's or the agent's own.
        let user: UInt32?
    }
    /// Of one listed user, and of all of them: the rest of what an agent can serve is root's.
    static let maximumOfUser = 64
    static let maximumOfUsers = 512

    let store: SecretStore
    let source: any ViewSource
    let trail: any AuditTrail
    let loop: SessionLoop
    let log: Logger
    let state = Mutex(ServedMountTable())
    /// How many mounts are being made, by algorithm: what they have looked at is followed from then on.
    private let joining = Mutex<[AlgorithmName: Int]>([:])
    /// Of the threads that refresh: the one that follows storage, commands, the clock.
    let turn = Mutex(())
    let alarm = Mutex<ViewAlarm?>(nil)
    let unread = Unread()
    /// One for all mounts: they share what is known of program files.
    private let callers = ProcessResolver { FileHash.sha256(of: $0, count: $1) }
    private let processNamespace = NamespaceID.ofProcesses()
    /// Told that there is a first mount, or that the last one has gone.
    private let onUse: @Sendable (_ isUsed: Bool) -> Void

    init(
        _ store: SecretStore, _ source: any ViewSource, _ trail: any AuditTrail, _ loop: SessionLoop,
        _ log: Logger,
        onUse: @escaping @Sendable (_ isUsed: Bool) -> Void
    ) {
        self.store = store
        self.source = source
        self.trail = trail
        self.loop = loop
        self.log = log
        self.onUse = onUse
        let alarm = ViewAlarm { [weak self] names in
            guard let self else { return }
            let mounted = state.withLock { Set($0.byAlgorithm.keys) }
            for name in names.subtracting(mounted) { setAlarm(name, nil) }
            refresh(.some(Set(names.map { .algorithm($0) })))
        }
        self.alarm.withLock { $0 = alarm }
        unread.onDue { [weak self] name in self?.refresh(.some([.algorithm(name)])) }
    }

    var count: Int { state.withLock { $0.mounts.count } }

    /// By mount point.
    var mounts: [Mount] {
        state.withLock { Array($0.mounts.values) }.sorted { $0.request.mountPoint < $1.request.mountPoint }
    }

    /// Serves `request` on `descriptor`; `keeper` is what fusermount3 needs open as long as it is served.
    ///
    /// - Parameters:
    ///   - actor: who asks.
    ///   - user: a listed user, whose mount it is to be.
    /// - Throws: `NotListed` if that user may not have it.
    func serve(
        _ request: ServeRequest, by actor: AuditActor, on descriptor: OwnedDescriptor,
        keeper: OwnedDescriptor?, for user: UInt32? = nil
    ) throws {
        let name = try AlgorithmName(request.algorithm)
        guard let attributes = MountAttributes(uid: request.uid, gid: request.gid, fileMode: request.fileMode)
        else {
            throw Failure(.badInput, "mode 0\(String(request.fileMode, radix: 8)) is not some of 0444")
        }
        joining.withLock { $0[name, default: 0] += 1 }
        defer { joined(name) }
        try source.prepare(name)
        let view = try source.view(of: name, after: shown(of: name))
        if let user, !ListedUsers.allow(user, view.mounters) { throw NotListed() }
        let log = log
        let seldom = Seldom()
        let knowsThreads = request.processNamespace != nil && request.processNamespace == processNamespace
        let tree = AlgorithmTree(
            view, of: name, attributes: attributes, trail: trail, callers: callers,
            knowsThreads: knowsThreads,
            onlyFor: user
        ) { file, refusal in
            guard seldom.allows("\(file) \(refusal)") else { return }
            log.error(
                "a file cannot be opened",
                metadata: ["algorithm": "\(name)", "file": "\(file)", "reason": "\(refusal)"])
        }
        if let user { try state.withLock { try $0.checkRoom(for: user) } }
        try trail.record([
            AuditEvent(.mount, by: actor, home: .algorithm(name), detail: request.mountPoint)
        ])
        // Nothing is opened before the state of now is read below: the user may have been taken off the list meanwhile.
        if user != nil { tree.withhold() }
        try add(descriptor, keeper, tree, request, name, user)
        log.info(
            "mounted", metadata: ["algorithm": "\(name)", "mount-point": "\(printable(request.mountPoint))"])
        // A change between reading the view and being in the table was told to the others only.
        refresh(.some([.algorithm(name)]))
    }

    private func add(
        _ descriptor: OwnedDescriptor, _ keeper: OwnedDescriptor?, _ tree: AlgorithmTree,
        _ request: ServeRequest, _ name: AlgorithmName, _ user: UInt32?
    ) throws {
        // Under the lock, so that a mount that ends at once is in the table before it is taken out.
        try state.withLock { state in
            guard !state.isClosed else {
                throw Failure(.unavailable, "the agent is stopping", hint: "try again")
            }
            if let user { try state.checkRoom(for: user) }
            let ended = EndNotice()
            let session: Session
            do throws(SessionError) {
                session = try loop.add(descriptor.release(), keeper: keeper?.release(), serving: tree) {
                    [weak self] end in
                    self?.remove(ended, end)
                }
            } catch .tooManySessions {
                throw Failure(
                    .system, "this agent serves \(state.mounts.count) mounts and can serve no more",
                    hint: "unmount some, or use a second state folder with an agent of its own")
            } catch {
                throw Failure(.system, "the mount cannot be served: \(error)")
            }
            ended.id.withLock { $0 = session.id }
            state.mounts[session.id] = Mount(
                request: request, algorithm: name, since: .now(), tree: tree, session: session,
                user: user)
            state.byAlgorithm[name, default: []].insert(session.id)
            if state.mounts.count == 1 { onUse(true) }
        }
    }

    private func joined(_ name: AlgorithmName) {
        joining.withLock { joining in
            joining[name] = joining[name].flatMap { $0 > 1 ? $0 - 1 : nil }
            releaseIfUnused(name, joining)
        }
    }

    /// Under the lock of those that join: nobody is released who has just looked.
    private func releaseIfUnused(_ name: AlgorithmName, _ joining: [AlgorithmName: Int]) {
        guard joining[name] == nil, state.withLock({ $0.byAlgorithm[name] == nil }) else { return }
        source.release(name)
    }

    /// Which session ended: known only after `add` returned it.
    private final class EndNotice: Sendable {
        let id = Mutex<Session.ID?>(nil)
    }

    private func remove(_ notice: EndNotice, _ end: SessionEnd) {
        let gone = state.withLock { state -> Mount? in
            guard let id = notice.id.withLock({ $0 }), let mount = state.mounts.removeValue(forKey: id) else {
                return nil
            }
            state.byAlgorithm[mount.algorithm]?.remove(id)
            if state.byAlgorithm[mount.algorithm]?.isEmpty == true {
                state.byAlgorithm[mount.algorithm] = nil
                setAlarm(mount.algorithm, nil)
                unread.remove(mount.algorithm)
            }
            if state.mounts.isEmpty { onUse(false) }
            return mount
        }
        if let gone {
            joining.withLock { releaseIfUnused(gone.algorithm, $0) }
            // It has happened already: nobody can be refused it.
            let event = AuditEvent(
                .unmount, by: .thisProcess, home: .algorithm(gone.algorithm),
                detail: gone.request.mountPoint)
            _ = try? trail.record(event) { _ in }
            log.info(
                "unmounted",
                metadata: [
                    "algorithm": "\(gone.algorithm)", "mount-point": "\(printable(gone.request.mountPoint))",
                    "end": "\(end)",
                ])
        }
    }
}
