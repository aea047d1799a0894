import Console
import Dispatch
import Secrets
import Store
import Synchronization

/// Records that users were denied mounts, in a number of lines that does not grow with how often they ask.
final class Denials: Sendable {
    /// In seconds.
    private static let window = 60
    private let trail: any AuditTrail
    private let counter = Mutex(DenialCounter<UInt32>())
    private let clock = DispatchQueue(label: "denials")

    init(_ trail: any AuditTrail) { self.trail = trail }

    /// - Parameters:
    ///   - name: what was asked for; nil: the store, or it was not looked at.
    ///   - detail: what there is to tell besides.
    func note(_ actor: AuditActor, _ name: AlgorithmName?, _ detail: String? = nil) {
        guard let uid = actor.uid else { return }
        let (isRecorded, isFirst) = counter.withLock { $0.note(uid) }
        if isFirst {
            clock.asyncAfter(deadline: .now() + .seconds(Self.window)) { [weak self] in self?.end() }
        }
        guard isRecorded else { return }
        let event = AuditEvent(
            .mount, .denied, by: actor, home: name.map { .algorithm($0) }, detail: detail)
        // It is denied in any case.
        try? trail.record([event])
    }

    private func end() {
        let rest = counter.withLock { $0.end() }
        guard !rest.isEmpty else { return }
        try? trail.record(
            rest.map { uid, count in
                AuditEvent(
                    .mount, .denied, by: AuditActor(uid: uid),
                    detail: uid == nil ? "\(count) by other users" : "\(count) more")
            })
    }
}
