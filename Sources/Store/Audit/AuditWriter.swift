internal import CLinux
internal import Dispatch
package import Secrets
internal import Synchronization

/// How a process that stays writes to the audit log: without keeping threads that answer the kernel waiting for a
/// disk (docs/SEMANTICS.md#audit).
///
/// With `batch` a line is written by who asks, which takes some microseconds, and is on the disk within a second.
/// Where it would have to wait (for another writer, for a disk that was slow the last time, while the disk is
/// written to) and with `always`, it is written by a thread of ours, and the answer is sent from there. All that wait
/// then share one write and one fsync. After a slow write it is that thread which finds out whether the disk is
/// well again, so that no worker is held up twice.
package final class AuditWriter: AuditTrail {
    /// More are refused.
    static let maximumWaiting = 4096
    private static let syncDelay = 500
    /// A write that took longer than this many nanoseconds went to a disk that is slow now.
    private static let slow: UInt64 = 2_000_000
    private static let slowTime: UInt64 = 1_000_000_000
    /// As `slowTime`, where it was slow once: whoever writes may have lost the processor meanwhile.
    private static let onceSlowTime: UInt64 = 10_000_000

    private let log: AuditLog
    private let onDue: @Sendable () -> Void
    private let onProblem: @Sendable (AuditError) -> Void
    private let writing = DispatchQueue(label: "audit-writer")
    private let syncing = DispatchQueue(label: "audit-sync")
    private let keeping = DispatchQueue(label: "audit-keeper")
    private let state = Mutex(State())

    private struct State {
        struct Waiting: Sendable {
            let event: AuditEvent
            let later: @Sendable (AuditError?) -> Void
        }
        var waiting: [Waiting] = []
        var isDraining = false
        var isSyncPlanned = false
        var isSyncing = false
        var isKeeping = false
        /// Until then, monotonic, nobody writes but the thread for that, and after that until a write of its own was
        /// fast.
        var slowUntil: UInt64 = 0
        var lastSlow: UInt64 = 0
        var isSlow = false
        var isClosed = false
    }

    /// - Parameters:
    ///   - onDue: called on a thread of ours now and then, when lines were written: `SecretStore.keepAudit`.
    ///   - onProblem: told why the disk did not take what was written.
    package init(
        _ log: AuditLog, onDue: @escaping @Sendable () -> Void,
        onProblem: @escaping @Sendable (AuditError) -> Void
    ) {
        self.log = log
        self.onDue = onDue
        self.onProblem = onProblem
    }

    package func record(_ events: [AuditEvent]) throws(AuditError) {
        let isDurable = log.settings.sync == .always
        try log.write(events, isDurable: isDurable)
        hasWritten(isDurable: isDurable)
    }

    package func record(
        _ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void
    ) throws(AuditError) -> Bool {
        if log.settings.sync == .batch, try writeAtOnce(event) { return true }
        try enqueue(event, later)
        return false
    }

    private func writeAtOnce(_ event: AuditEvent) throws(AuditError) -> Bool {
        let start = linux_monotonic_nanoseconds()
        let mustWait = state.withLock { state in
            state.isDraining || state.isSyncing || state.isSlow || start < state.slowUntil
        }
        guard !mustWait, try log.writeAtOnce(event) else { return false }
        noteWrite(since: start)
        hasWritten(isDurable: false)
        return true
    }

    /// - Parameter isProbe: of the thread that may wait.
    private func noteWrite(since start: UInt64, isProbe: Bool = false) {
        let end = linux_monotonic_nanoseconds()
        let isSlow = end - start > Self.slow
        guard isSlow || isProbe else { return }
        state.withLock { state in
            state.isSlow = isSlow
            guard isSlow else { return }
            let isAgain = isProbe || end < state.lastSlow + Self.slowTime
            state.slowUntil = end + (isAgain ? Self.slowTime : Self.onceSlowTime)
            state.lastSlow = end
        }
    }

    private func enqueue(
        _ event: AuditEvent, _ later: @escaping @Sendable (AuditError?) -> Void
    ) throws(AuditError) {
        let starts = try state.withLock { state throws(AuditError) in
            guard state.waiting.count < Self.maximumWaiting, !state.isClosed else {
                throw .busy(path: log.folder.current)
            }
            state.waiting.append(State.Waiting(event: event, later: later))
            defer { state.isDraining = true }
            return !state.isDraining
        }
        if starts { writing.async { [self] in drain() } }
    }

    /// Writes what waits, all of it at once, until nothing does.
    private func drain() {
        while true {
            let waiting = state.withLock { state in
                defer { state.waiting = [] }
                if state.waiting.isEmpty { state.isDraining = false }
                return state.waiting
            }
            if waiting.isEmpty { return }
            var problem: AuditError?
            let isDurable = log.settings.sync == .always
            let start = linux_monotonic_nanoseconds()
            do { try log.write(waiting.map(\.event), isDurable: isDurable) } catch { problem = error }
            // With an fsync it says nothing of a write alone.
            if !isDurable { noteWrite(since: start, isProbe: true) }
            for one in waiting { one.later(problem) }
            if problem == nil { hasWritten(isDurable: isDurable) }
        }
    }

    /// Sees to it that what was written reaches the disk, and that the log is kept.
    private func hasWritten(isDurable: Bool) {
        let isDue = log.isFull || log.isAnchorDue(after: SecretStore.anchorInterval)
        let (plans, keeps) = state.withLock { state in
            let plans = !isDurable && !state.isSyncPlanned
            if plans { state.isSyncPlanned = true }
            let keeps = isDue && !state.isKeeping
            if keeps { state.isKeeping = true }
            return (plans, keeps)
        }
        if plans { planSync() }
        if keeps { keeping.async { [self] in keep() } }
    }

    private func keep() {
        onDue()
        state.withLock { $0.isKeeping = false }
    }

    private func planSync() {
        syncing.asyncAfter(deadline: .now() + .milliseconds(Self.syncDelay)) { [weak self] in self?.sync() }
    }

    private func sync() {
        state.withLock { state in
            state.isSyncPlanned = false
            state.isSyncing = true
        }
        var problem: AuditError?
        do { try log.sync() } catch { problem = error }
        let isAgain = state.withLock { state in
            state.isSyncing = false
            // What the disk did not take is tried again; a file that is gone is the next writer's business.
            guard let problem, !problem.isLoss, !state.isClosed, !state.isSyncPlanned else { return false }
            state.isSyncPlanned = true
            return true
        }
        if let problem { onProblem(problem) }
        if isAgain { planSync() }
    }

    /// Writes what waits, and takes nothing more to wait. Called from a thread that may wait.
    package func close() {
        state.withLock { $0.isClosed = true }
        writing.sync {}
        syncing.sync {}
        keeping.sync {}
    }
}

extension AuditError {
    /// Said once, to who noticed it.
    var isLoss: Bool {
        if case .lost = self { true } else { false }
    }
}
