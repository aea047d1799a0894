import Secrets
import Store
import Synchronization

/// When programs last read what, from the audit log. What the log says is not verified, and of a long log only its end
/// is looked at; then new lines only.
final class LastReads: Sendable {
    /// What is known of one algorithm's mounts.
    struct OfAlgorithm: Sendable {
        var opens: [String: Timestamp] = [:]
        /// Of all variables at once.
        var environ: Timestamp?
        /// From when on the log was looked at; nil if it was not yet.
        var since: Timestamp?

        /// Nil if there is none that is known.
        func last(of secret: Secret) -> Timestamp? {
            // `.environ` has only what is delivered so, and had nothing of what was made later.
            let all = secret.delivery == .env ? environ.flatMap { $0 >= secret.created ? $0 : nil } : nil
            let own = opens[secret.name.text].flatMap { $0 >= secret.created ? $0 : nil }
            return [all, own].compactMap { $0 }.max()
        }
    }
    private struct State {
        var algorithms: [String: OfAlgorithm] = [:]
        var entries = 0
        var newest: UInt64 = 0
        var since: Timestamp?
        var isReading = false
        var next = ContinuousClock.now
    }
    /// Of the log, at once, in bytes: some hundred thousand lines.
    private static let maximumBytes = 32 << 20
    /// About 100 bytes each; beyond it older ones are not remembered.
    private static let maximumEntries = 200_000
    private static let pause = Duration.seconds(2)

    private let reader: AuditReader
    private let state = Mutex(State())

    init(_ reader: AuditReader) { self.reader = reader }

    func known(of algorithm: AlgorithmName) -> OfAlgorithm {
        state.withLock { state in
            var found = state.algorithms[algorithm.description] ?? OfAlgorithm()
            found.since = state.since
            return found
        }
    }

    /// Looks on another thread for what is new, if that was a while ago: no page waits for it.
    func refresh(on work: StoreWork) {
        let isDue = state.withLock { state in
            guard !state.isReading, ContinuousClock.now >= state.next else { return false }
            state.isReading = true
            return true
        }
        guard isDue else { return }
        Task {
            // A log that cannot be read now is looked at the next time.
            try? await work.run(.reading) { try self.read() }
            state.withLock { state in
                state.isReading = false
                state.next = ContinuousClock.now + Self.pause
            }
        }
    }

    func read() throws(AuditError) {
        let known = state.withLock { $0.newest }
        var found: [AuditRecord] = []
        var first: UInt64?
        var oldest: Timestamp?
        let look = try reader.newest(before: nil, reading: Self.maximumBytes) { record in
            first = first ?? record.sequence
            guard record.sequence > known || first.map({ $0 < known }) ?? false else { return false }
            oldest = record.time
            let action = record.texts[.action]
            let isRead = action == AuditAction.open.rawValue || action == AuditAction.environ.rawValue
            if isRead, record.texts[.outcome] == AuditEvent.Outcome.ok.rawValue { found.append(record) }
            return true
        }
        state.withLock { state in
            // Another log than before: it was restored, or begun anew.
            if let first, first < known { state = State(isReading: state.isReading) }
            for record in found { Self.note(record, in: &state) }
            state.newest = first ?? state.newest
            if state.since == nil {
                state.since = look.isCut ? oldest : Timestamp(seconds: 0, nanoseconds: 0)
            }
        }
    }

    private static func note(_ record: AuditRecord, in state: inout State) {
        guard let algorithm = record.texts[.algorithm] else { return }
        var of = state.algorithms[algorithm] ?? OfAlgorithm()
        if let secret = record.texts[.secret] {
            if of.opens[secret] == nil {
                guard state.entries < maximumEntries else { return }
                state.entries += 1
            }
            of.opens[secret] = max(of.opens[secret] ?? record.time, record.time)
        } else {
            of.environ = max(of.environ ?? record.time, record.time)
        }
        state.algorithms[algorithm] = of
    }
}
