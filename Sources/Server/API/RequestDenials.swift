import Secrets
import Store
import Synchronization

/// Records refused requests, in a number of lines that does not grow with how often somebody asks.
final class RequestDenials: Sendable {
    /// In seconds.
    private static let window: Int64 = 60
    private struct State {
        var counter = DenialCounter<String>()
        var end: Int64 = 0
    }
    private let store: SecretStore
    private let state = Mutex(State())

    init(_ store: SecretStore) { self.store = store }

    /// What `call` asked for is not done in any case.
    func note(_ call: Call, _ home: SecretHome?) {
        let actor = call.actor
        let (rest, isRecorded) = state.withLock { state in
            let now = Timestamp.now().seconds
            // The window before ends when the next denial comes, or with the server.
            let rest = now >= state.end ? state.counter.end() : []
            if now >= state.end { state.end = now + Self.window }
            return (rest, state.counter.note(actor.user ?? actor.address ?? "").isRecorded)
        }
        record(rest)
        guard isRecorded else { return }
        try? store.trail.record([
            AuditEvent(.apiRequest, .denied, by: actor, home: home, detail: call.route)
        ])
    }

    /// When the server ends.
    func end() { record(state.withLock { $0.counter.end() }) }

    private func record(_ rest: [(user: String?, count: Int)]) {
        guard !rest.isEmpty else { return }
        try? store.trail.record(
            rest.map { user, count in
                let detail = user.map { "\(count) more of \($0)" } ?? "\(count) of others"
                return AuditEvent(.apiRequest, .denied, by: .thisProcess, detail: detail)
            })
    }
}
