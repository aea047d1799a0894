import Console
import FoundationEssentials
import Logging
import Secrets
import Store
import Synchronization

/// The nodes that are connected, and the path of every change to them.
final class NodeHub: Sendable {
    /// Of all nodes; and of those that have not shown who they are.
    static let maximumConnections = 2048
    static let maximumStrangers = 64
    static let maximumOfNode = 2
    /// Of those, of one address.
    static let maximumStrangersOfClient = 16

    private struct State {
        var sessions: [ObjectIdentifier: NodeSession] = [:]
        /// In the order in which they began, by node.
        var ofNode: [UUID: [NodeSession]] = [:]
        var connections = 0
        /// What ends each of those that have not shown who they are, the oldest first.
        var strangers: [(number: UInt64, end: @Sendable () -> Void)] = []
        var lastStranger: UInt64 = 0
        /// Changes cannot be read: nobody can say that a view is the newest.
        var isBlind = false
    }
    private let state = Mutex(State())
    private let strangersOfClient = AddressLimit(maximumStrangersOfClient)
    private let following = Mutex<Following?>(nil)
    private let external: ExternalValues
    private let log: Logger

    init(_ external: ExternalValues, _ log: Logger) {
        self.external = external
        self.log = log
    }

    /// Follows changes of the store, and of what providers give, until `stop`.
    func start(_ store: SecretStore) throws {
        let external = external
        try external.start { [weak self] affected in
            for session in self?.sessions ?? [] { session.note(affected) }
        }
        let following = try Following(
            store,
            onChange: { [weak self] affected in
                self?.state.withLock { $0.isBlind = false }
                for session in self?.sessions ?? [] { session.note(affected) }
            },
            onNodes: { [weak self] in
                for session in self?.sessions ?? [] { session.noteNodes() }
            },
            onProviders: { external.reload() },
            onProblem: { [weak self] problem, isLasting in
                guard let self, isLasting else { return }
                log.error("changes cannot be read; nodes are not served until they can be")
                state.withLock { $0.isBlind = true }
                for session in sessions { session.end() }
            })
        self.following.withLock { $0 = following }
    }

    func stop() {
        following.withLock { $0 }?.cancel()
        external.stop()
        for session in sessions { session.end() }
    }

    var count: Int { state.withLock { $0.sessions.count } }
    private var sessions: [NodeSession] { state.withLock { Array($0.sessions.values) } }

    // MARK: Connections

    /// With too many strangers the oldest makes room: whoever is a node says so at once, and whoever says nothing waits
    /// for others to be kept out.
    ///
    /// - Parameter end: ends the connection.
    /// - Returns: its number among those that have not shown who they are; nil if there is no room.
    func enter(_ client: AddressLimit.Client?, _ end: @escaping @Sendable () -> Void) -> UInt64? {
        if let client, !strangersOfClient.enter(client) { return nil }
        let (number, oldest) = state.withLock { state -> (UInt64?, (@Sendable () -> Void)?) in
            guard state.connections < Self.maximumConnections, !state.isBlind else { return (nil, nil) }
            let oldest =
                state.strangers.count >= Self.maximumStrangers ? state.strangers.removeFirst().end : nil
            state.connections += 1
            state.lastStranger += 1
            state.strangers.append((state.lastStranger, end))
            return (state.lastStranger, oldest)
        }
        oldest?()
        if let client, number == nil { strangersOfClient.leave(client) }
        return number
    }

    /// It has shown who it is.
    func add(_ session: NodeSession, _ client: AddressLimit.Client?, _ number: UInt64) {
        if let client { strangersOfClient.leave(client) }
        state.withLock { state in
            state.strangers.removeAll { $0.number == number }
            state.sessions[ObjectIdentifier(session)] = session
            state.ofNode[session.id, default: []].append(session)
        }
        // It may not know yet that the one before is gone; but nobody has more.
        let oldest = state.withLock { state in
            state.ofNode[session.id].flatMap { $0.count > Self.maximumOfNode ? $0.first : nil }
        }
        guard let oldest else { return }
        oldest.end()
        log.warning(
            "a node connects again and again; its oldest connection is ended",
            metadata: ["node": "\(session.name)"])
    }

    func leave(_ session: NodeSession?, _ client: AddressLimit.Client?, _ number: UInt64) {
        if session == nil, let client { strangersOfClient.leave(client) }
        state.withLock { state in
            state.connections -= 1
            if let session {
                state.sessions[ObjectIdentifier(session)] = nil
                state.ofNode[session.id]?.removeAll { $0 === session }
                if state.ofNode[session.id]?.isEmpty ?? false { state.ofNode[session.id] = nil }
            } else {
                state.strangers.removeAll { $0.number == number }
            }
        }
    }
}

/// How often an address may try to enroll with a token that is not valid.
final class EnrollmentThrottle: Sendable {
    /// In so many seconds.
    private static let attempts = 10
    private static let window = Duration.seconds(60)
    /// Addresses that are remembered; with more, all wait.
    private static let addresses = 4096

    private struct Attempts {
        var count = 0
        let began: ContinuousClock.Instant
    }
    private let state = Mutex<[String: Attempts]>([:])

    func mayTry(_ address: String) -> Bool {
        let now = ContinuousClock.now
        return state.withLock { state in
            if state.count >= Self.addresses { state = state.filter { now - $0.value.began < Self.window } }
            if let known = state[address], now - known.began < Self.window {
                return known.count < Self.attempts
            }
            state[address] = nil
            return state.count < Self.addresses
        }
    }

    func noteFailure(_ address: String) {
        let now = ContinuousClock.now
        state.withLock { $0[address, default: Attempts(began: now)].count += 1 }
    }
}
