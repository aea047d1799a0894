import Dispatch
package import Secrets
import Synchronization

/// A trail in which what users are refused takes a number of lines that does not grow with how often they ask. Nothing
/// is released and nothing changed by what is only counted here.
package final class LimitedTrail: AuditTrail {
    /// In seconds.
    package static let window = 60
    /// Lines of one user and kind in a window.
    package static let recordedOpens = 60
    package static let recordedMounts = 1

    /// What is counted together.
    private struct Kind: Hashable {
        let action: AuditAction
        let outcome: AuditEvent.Outcome
    }
    private let trail: any AuditTrail
    private struct State {
        var counters: [Kind: DenialCounter<String>] = [:]
        /// Who is counted under which name.
        var actors: [String: AuditActor] = [:]
    }
    private let state = Mutex(State())
    private let clock = DispatchQueue(label: "denials")

    package init(_ trail: any AuditTrail) { self.trail = trail }

    package func record(_ events: [AuditEvent]) throws(AuditError) {
        let events = events.filter(isToRecord)
        guard !events.isEmpty else { return }
        try trail.record(events)
    }

    package func record(
        _ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void
    ) throws(AuditError) -> Bool {
        guard isToRecord(event) else { return true }
        return try trail.record(event, later: later)
    }

    /// Records what was only counted until now.
    package func end() {
        let counted = state.withLock { state in
            defer { state.actors = [:] }
            return state.counters.keys.flatMap { kind in
                state.counters[kind]?.end().map { (kind, $0.user.map { state.actors[$0] }, $0.count) } ?? []
            }
        }
        guard !counted.isEmpty else { return }
        // It was refused in any case.
        try? trail.record(
            counted.map { kind, actor, count in
                AuditEvent(
                    kind.action, kind.outcome, by: (actor ?? nil) ?? AuditActor(),
                    detail: actor == nil ? "\(count) more of other users" : "\(count) more")
            })
    }

    private func isToRecord(_ event: AuditEvent) -> Bool {
        let limit: Int
        switch (event.action, event.outcome) {
        case (.open, .denied), (.open, .failed), (.environ, .denied), (.environ, .failed),
            (.nodeFollow, .denied), (.nodeConnect, .denied):
            limit = Self.recordedOpens
        case (.mount, .denied): limit = Self.recordedMounts
        default: return true
        }
        let kind = Kind(action: event.action, outcome: event.outcome)
        let actor = AuditActor(uid: event.actor.uid, user: event.actor.user)
        let name = actor.uid.map { "uid \($0)" } ?? actor.user ?? ""
        let (isRecorded, isFirst) = state.withLock { state in
            let noted = state.counters[kind, default: DenialCounter(recording: limit)].note(name)
            if noted.isRecorded { state.actors[name] = actor }
            return noted
        }
        if isFirst {
            clock.asyncAfter(deadline: .now() + .seconds(Self.window)) { [weak self] in self?.end() }
        }
        return isRecorded
    }
}
