import Console
import Dispatch
import Logging
import Secrets
import Store
import Synchronization

/// The agent's way to the audit log, and what it does for the log from time to time.
final class AgentAudit: Sendable {
    let writer: AuditWriter
    private let store: SecretStore
    private let log: Logger
    private let clock = DispatchQueue(label: "audit-anchor")
    private let isStopped = Atomic(false)

    /// So often storage is told where the log ends, if it went on; in seconds.
    private static let interval = 60

    init(_ store: SecretStore, _ log: Logger) {
        self.store = store
        self.log = log
        let seldom = Seldom()
        writer = AuditWriter(
            store.audit, onDue: { store.keepAudit() },
            onProblem: { error in
                let failure = Failure(error)
                guard seldom.allows(failure.message) else { return }
                log.error("the audit log cannot be written", metadata: ["reason": "\(failure.message)"])
            })
        store.record(through: writer)
    }

    private func anchorLater() {
        clock.asyncAfter(deadline: .now() + .seconds(Self.interval)) { [weak self] in
            guard let self, !isStopped.load(ordering: .relaxed) else { return }
            store.anchorAuditIfBehind()
            anchorLater()
        }
    }

    func start() throws {
        try writer.record([
            AuditEvent(.agentStart, by: .thisProcess), AuditEvent(.unseal, by: .thisProcess),
        ])
        try? store.anchorAudit()
        anchorLater()
    }

    /// A command changed how the log is kept.
    func readSettings() {
        do {
            store.audit.apply(try store.auditSettings())
        } catch {
            log.error(
                "the settings of the audit log cannot be read; the present ones stay",
                metadata: ["reason": "\(Failure(error).message)"])
        }
    }

    /// After everything else: nothing is opened any more.
    func stop() {
        do {
            try writer.record([
                AuditEvent(.seal, by: .thisProcess), AuditEvent(.agentStop, by: .thisProcess),
            ])
        } catch {
            log.error("the agent's end cannot be recorded", metadata: ["reason": "\(Failure(error).message)"])
        }
        isStopped.store(true, ordering: .relaxed)
        writer.close()
        try? store.anchorAudit()
    }
}
