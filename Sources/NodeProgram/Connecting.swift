import Link
import NIOCore
import Secrets
import Store
import Synchronization

/// Keeps a connection to the server: what comes from it goes to the agent, and the other way round. What is said while
/// there is none is not kept: the agent says anew what it follows whenever the server says welcome.
final class Connecting: Sendable {
    private struct State {
        var credentials: LinkCredentials
        var writer: FrameWriter?
        /// The key of a certificate that was asked for, and the request. The same until there is an answer, for that may be
        /// one to an earlier request.
        var asked: (key: SecretValue, request: [UInt8])?
        /// When it was asked for over the present connection.
        var askedAt: ContinuousClock.Instant?
        var heard = ContinuousClock.now
        var isRenewed = false
        /// When there was a new certificate last.
        var renewed: ContinuousClock.Instant?
        /// The server does not want this node.
        var isRefused = false
    }
    private let state: Mutex<State>
    private let agent: FrameWriter
    private let server: String

    /// Both sides say something at least this often.
    private static let beat = Duration.seconds(5)
    /// A connection on which nothing came for so long is none.
    private static let silence = Duration.seconds(20)
    /// Until a certificate is asked for again.
    private static let patience = Duration.seconds(30)
    /// In milliseconds: between attempts, growing, and each drawn between nothing and that.
    private static let shortestPause = 200
    private static let longestPause = 10_000
    /// After a refusal, which is for ever, or until somebody enrolls this node again.
    private static let refusedPause = 60_000

    init(_ credentials: LinkCredentials, _ agent: FrameWriter) {
        state = Mutex(State(credentials: credentials))
        self.agent = agent
        let host = credentials.host.contains(":") ? "[\(credentials.host)]" : credentials.host
        server = "\(host):\(credentials.port)"
    }

    /// Passes on what the agent says.
    func forward(_ frame: [UInt8]) async {
        guard let writer = state.withLock({ $0.writer }) else { return }
        try? await writer.send(frame: frame)
    }

    /// Until it is cancelled.
    func run() async {
        var pause = Self.shortestPause
        while !Task.isCancelled {
            let began = ContinuousClock.now
            var reason: String
            do {
                reason = try await connect()
            } catch {
                reason = ConnectionFailure.text(error, server)
            }
            if let wrong = clockProblem() { reason = wrong }
            state.withLock { $0.writer = nil }
            guard !Task.isCancelled else { return }
            try? await agent.send(.lost(reason))
            // A new certificate is to be shown at once.
            if state.withLock({ state in
                defer { state.isRenewed = false }
                return state.isRenewed
            }) {
                continue
            }
            if ContinuousClock.now - began > .seconds(30) { pause = Self.shortestPause }
            if state.withLock({ $0.isRefused }) { pause = Self.refusedPause }
            // Many nodes lose the same server at once, and must not all come back at once.
            try? await Task.sleep(for: .milliseconds(Int.random(in: pause / 4...pause)))
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// - Returns: why the connection ended.
    private func connect() async throws -> String {
        let credentials = state.withLock { $0.credentials }
        let channel = try await ServerConnection.open(
            host: credentials.host, port: credentials.port, authority: credentials.authority,
            identity: (credentials.certificate, credentials.key))
        return try await channel.executeThenClose { inbound, outbound in
            state.withLock { state in
                state.writer = outbound
                state.heard = .now
                state.askedAt = nil
            }
            try await ServerConnection.begin(.hello, inbound, outbound)
            return try await withThrowingTaskGroup(of: String.self) { group in
                group.addTask { try await self.receive(inbound) }
                group.addTask { try await self.keepAlive(outbound) }
                defer { group.cancelAll() }
                return try await group.next() ?? ""
            }
        }
    }

    private func receive(_ inbound: NIOAsyncChannelInboundStream<[UInt8]>) async throws -> String {
        for try await frame in inbound {
            state.withLock { $0.heard = .now }
            // All that has to be understood here; the rest is for the agent.
            if frame.count < Membership.maximumCertificateCount + 64 {
                switch try? LinkMessage(decoding: frame) {
                case .certificate(let certificate):
                    try await take(certificate)
                    return "a new certificate is shown"
                case .refused: state.withLock { $0.isRefused = true }
                case .welcome: state.withLock { $0.isRefused = false }
                default: break
                }
            }
            // What only this program says to the agent, no server says.
            guard LinkMessage.isFromServer(frame) else { throw LinkError.badFrame }
            try await agent.send(frame: frame)
        }
        return "\(server) ended the connection"
    }

    private func keepAlive(_ outbound: FrameWriter) async throws -> String {
        while true {
            try await Task.sleep(for: Self.beat)
            guard ContinuousClock.now - state.withLock({ $0.heard }) < Self.silence else {
                return "\(server) has been silent for \(Self.silence.components.seconds) seconds"
            }
            if isRenewalDue(), let request = try renewalRequest() {
                try await outbound.send(.renew(request))
            } else {
                try await outbound.send(.beat)
            }
        }
    }

    // MARK: The certificate

    /// When two thirds of its time are over. Not sooner after the last renewal than a third of it takes: by a clock that
    /// is far ahead, each new certificate has ended too.
    private func isRenewalDue() -> Bool {
        guard let times = try? NodeCertificates.validity(of: state.withLock { $0.credentials.certificate })
        else {
            return false
        }
        let third = (times.upperBound - times.lowerBound) / 3
        if let renewed = state.withLock({ $0.renewed }), ContinuousClock.now - renewed < .seconds(third) {
            return false
        }
        let due = times.lowerBound + third * 2
        return Double(Timestamp.now().seconds) >= due
    }

    /// Nil if it was sent and may still be answered.
    private func renewalRequest() throws -> [UInt8]? {
        try state.withLock { state in
            if let askedAt = state.askedAt, ContinuousClock.now - askedAt < Self.patience { return nil }
            let asked = try state.asked ?? NodeCertificates.request()
            state.asked = asked
            state.askedAt = .now
            return asked.request
        }
    }

    private func take(_ certificate: [UInt8]) async throws {
        guard let key = state.withLock({ $0.asked?.key }),
            try NodeCertificates.isFor(certificate, key)
        else { throw LinkError.badCertificate }
        state.withLock { state in
            let old = state.credentials
            state.credentials = LinkCredentials(
                host: old.host, port: old.port, authority: old.authority, certificate: certificate, key: key)
            state.asked = nil
            state.isRenewed = true
            state.renewed = .now
        }
        try await agent.send(.renewed(key: key, certificate: certificate))
    }

    /// Where the clock is why nothing works, that is said.
    private func clockProblem() -> String? {
        guard let times = try? NodeCertificates.validity(of: state.withLock { $0.credentials.certificate })
        else {
            return "this node's certificate cannot be read"
        }
        let now = Timestamp.now()
        guard !times.contains(Double(now.seconds)) else { return nil }
        let end = Timestamp(seconds: Int64(times.upperBound), nanoseconds: 0)
        if Double(now.seconds) > times.upperBound {
            return
                "this node's certificate ended at \(end), and this machine's clock says \(now): set the clock, or enroll "
                + "the node again"
        }
        return "this node's certificate is not valid yet: this machine's clock says \(now), set it"
    }
}
