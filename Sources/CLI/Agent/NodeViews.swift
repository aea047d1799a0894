import Console
import Dispatch
import Glibc
import Logging
import Nodes
import Secrets
import Store
import Synchronization

/// What a server lets this machine's mounts show: views whose values are sealed to this node's own key.
///
/// The server sends them; they are kept for as long as there is a mount. While there is no connection they go on being
/// opened, until nobody has confirmed them for as long as the server's administrator allows.
final class NodeViews: ViewSource {
    struct State {
        var membership: Membership
        var table = NodeTable()
        var isLinked = false
        var reason = "the first connection is being made"
        var since = Timestamp.now()
        /// In seconds: how far the server's clock is ahead.
        var clockDifference: Int64 = 0
        var isRevoked = false
        /// Whether connecting has failed, or a connection was lost, since this agent began.
        var hasFailed = false
    }
    let state: Mutex<State>
    let store: SecretStore
    let log: Logger
    let key: NodeKey
    private let link = Mutex<NodeLink?>(nil)
    private let onChange = Mutex<(@Sendable (AffectedMounts) -> Void)?>(nil)
    private let clock = DispatchQueue(label: "stale")
    /// What is kept is written on this one, in the order in which it came.
    let keeping = DispatchQueue(label: "keeping")

    /// In milliseconds: how long a mount waits for its first view; and where the server could not be reached before.
    private static let patience = 8000
    private static let patienceWithout = 3000

    init(_ store: SecretStore, _ membership: Membership, _ log: Logger) {
        self.store = store
        self.log = log
        key = NodeKey(membership)
        state = Mutex(State(membership: membership))
    }

    /// Connects.
    ///
    /// - Parameter onChange: told what to look at anew, on a thread of its own.
    func start(onChange: @escaping @Sendable (AffectedMounts) -> Void) throws {
        self.onChange.withLock { $0 = onChange }
        let link = NodeLink(log) { [weak self] message in self?.take(message) }
        self.link.withLock { $0 = link }
        try connect(link)
        watchAge()
    }

    private func connect(_ link: NodeLink) throws {
        try link.start { [weak self] in self?.state.withLock { LinkCredentials($0.membership) } }
    }

    func stop() {
        link.withLock { $0 }?.stop()
        confirmKept()
        // What is on its way to the disk gets there.
        keeping.sync {}
    }

    private func send(_ message: LinkMessage) { link.withLock { $0 }?.send(message) }
    private func tell(_ affected: AffectedMounts) { onChange.withLock { $0 }?(affected) }

    // MARK: For mounts

    func prepare(_ name: AlgorithmName) throws(StoreError) {
        follow(name)
        let began = ContinuousClock.now
        while ContinuousClock.now - began < .milliseconds(Self.patience) {
            let isDone = state.withLock { state in
                if state.hasFailed, !state.isLinked {
                    // What was kept is better than nothing, and waiting brings nothing else.
                    if state.table.showKept(of: name) { return true }
                    if ContinuousClock.now - began > .milliseconds(Self.patienceWithout) { return true }
                }
                return state.isRevoked || state.table.hasAnswer(for: name)
            }
            if isDone { return }
            pause(milliseconds: 2)
        }
        state.withLock { _ = $0.table.showKept(of: name) }
    }

    private func follow(_ name: AlgorithmName) {
        guard state.withLock({ $0.table.add(name) }) else { return }
        offerKept(of: name)
        send(.follow(name, held: state.withLock { $0.table.held(of: name) }))
    }

    func view(of name: AlgorithmName, after before: AlgorithmView?) throws(StoreError) -> AlgorithmView {
        let (answer, server, reason, stale) = state.withLock { state in
            (
                state.isRevoked
                    ? .revoked : state.table.answer(for: name, state.staleSeconds, state.isLinked),
                state.membership.server, state.reason, state.membership.policy.maximumStale
            )
        }
        switch answer {
        case .view(let view): return view
        case .missing: throw .algorithmMissing(name)
        case .denied:
            throw .link(
                LinkFault(.denied, "this node may not have \(name)", "on the server: secretfs node allow"))
        case .revoked:
            throw .link(
                LinkFault(
                    .denied, "\(server) does not know this node any more: it was revoked or deleted there"))
        case .stale:
            throw .link(
                LinkFault(
                    .unavailable,
                    "\(server) has not confirmed \(name) for more than \(stale) seconds: \(reason)"))
        case .unknown:
            follow(name)
            throw .link(
                LinkFault(
                    .unavailable, "\(server) has not sent \(name) yet: \(reason)", "see secretfs status"))
        }
    }

    func emptyView(of name: AlgorithmName) -> AlgorithmView {
        state.withLock { $0.table.emptyView(of: name) }
    }

    func release(_ name: AlgorithmName) {
        state.withLock { $0.table.remove(name) }
        send(.unfollow(name))
    }

    func seal() {
        stop()
        key.forget()
        state.withLock { state in
            state.table.forgetKeys()
            state.lose("sealed")
        }
    }

    func unseal() throws {
        guard let membership = try store.membership(), let link = link.withLock({ $0 }) else { return }
        key.restore(membership)
        state.withLock { $0.membership = membership }
        try connect(link)
    }

    // MARK: From the server

    private func take(_ message: LinkMessage) {
        switch message {
        case .welcome(let welcome): greet(welcome)
        case .batch(let name, let encapsulated):
            let batch = ReceivedBatch(encapsulated, for: name, by: key)
            state.withLock { $0.table.begin(batch, of: name) }
        case .value(let held, let sealed): state.withLock { $0.table.stage(sealed, as: held) }
        case .view(let name, let view):
            let isWhole = state.withLock { $0.table.show(view, of: name) }
            if !isWhole {
                log.error("the server sent a view without its values", metadata: ["algorithm": "\(name)"])
            }
            tell(.some([.algorithm(name)]))
            if isWhole { keepView(of: name) }
        case .gone(let name, let isDenied) where state.withLock({ $0.table.follows(name) }):
            state.withLock { $0.table.withdraw(name, isDenied: isDenied) }
            forget(name)
            tell(.some([.algorithm(name)]))
        case .refused(let refusal): refuse(refusal)
        case .renewed(let key, let certificate)
        where Membership.mayBeShown(key: key, certificate: certificate):
            keep { membership in
                membership.key = key
                membership.certificate = certificate
            }
        case .lost(let reason): lose(reason)
        case .gone, .renewed, .beat, .hello, .follow, .unfollow, .renew, .enroll, .enrolled, .certificate,
            .connect, .redeem:
            break
        }
        if case .lost = message { return }
        state.withLock { $0.table.hear() }
    }

    private func greet(_ welcome: LinkWelcome) {
        let difference = welcome.time.seconds - Timestamp.now().seconds
        let (follows, isNew) = state.withLock { state in
            let isNew = !state.isLinked
            if isNew { state.since = .now() }
            state.isLinked = true
            state.isRevoked = false
            state.clockDifference = difference
            // A welcome comes again when only the policy is another.
            return (isNew ? state.table.follows() : [], isNew)
        }
        for (name, held) in follows { send(.follow(name, held: held)) }
        keep { $0.policy = welcome.policy }
        if !welcome.policy.keeps {
            forget(nil)
        } else {
            for name in state.withLock({ $0.table.confirmed }) { keepView(of: name) }
        }
        guard isNew else { return }
        log.info("connected to the server", metadata: ["server": "\(status.server)"])
        if abs(difference) > 60 {
            log.warning(
                "the server's clock is another: validities and certificates go by clocks",
                metadata: ["seconds-ahead": "\(difference)"])
        }
    }

    private func refuse(_ refusal: LinkRefusal) {
        guard refusal == .revoked else {
            return log.error("the server refused what this node said", metadata: ["reason": "\(refusal)"])
        }
        let isNews = state.withLock { state in
            defer { state.isRevoked = true }
            state.table.forgetValues()
            return !state.isRevoked
        }
        forget(nil)
        if isNews { log.error("this node was revoked; nothing is opened any more") }
        tell(.all)
    }

    private func lose(_ reason: String) {
        confirmKept()
        let isNews = state.withLock { state in
            defer { state.lose(reason) }
            return state.isLinked || state.reason != reason
        }
        guard isNews else { return }
        log.warning(
            "not connected to the server", metadata: ["reason": "\(printable(reason, atMost: 400))"])
    }

    /// Changes what this node knows of itself, in the store too.
    private func keep(_ change: (inout Membership) -> Void) {
        let (new, isOther) = state.withLock { state in
            let before = state.membership
            change(&state.membership)
            let isOther =
                before.certificate != state.membership.certificate || before.policy != state.membership.policy
            return (state.membership, isOther)
        }
        guard isOther else { return }
        do { try store.keep(new) } catch {
            log.error(
                "what the server said of this node cannot be stored; it holds until this agent ends",
                metadata: ["reason": "\(Failure(error).message)"])
        }
    }

    // MARK: Age

    /// Looks whether anything has become too old.
    private func watchAge(_ turn: Int = 1) {
        clock.asyncAfter(deadline: .now() + .seconds(1)) { [weak self] in
            guard let self else { return }
            let stale = state.withLock { state in
                state.table.becameStale(state.staleSeconds, state.isLinked)
            }
            if !stale.isEmpty {
                tell(.some(Set(stale.map { .algorithm($0) })))
                if mayKeep { for name in stale { forget(name) } }
            }
            if turn % Self.keptInterval == 0 { confirmKept() }
            watchAge(turn + 1)
        }
    }
}

/// Sleeps: on the thread of a command, never on one that answers the kernel.
private func pause(milliseconds: UInt32) { usleep(milliseconds * 1000) }
