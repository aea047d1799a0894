package import Fuse
import Secrets
import Synchronization

/// An open that was decided, and is not released yet.
struct AuditedOpen: Sendable {
    let content: Content
    /// What is recorded before it is released; nil for `.generation`, which tells nothing of a value.
    var event: AuditEvent?
    let result: Result<HandleID, Refusal>
}

/// No record, no value (R4): an open is decided, recorded, and only then released.
extension AlgorithmTree {
    /// Waits for the record. What answers the kernel uses `open(_:by:later:)`.
    package func open(_ id: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        let opening = try begin(id, by: caller)
        do {
            if let event = opening.event { try trail.record([event]) }
        } catch {
            throw unaudited(opening)
        }
        return try opening.result.get()
    }

    package func open(
        _ id: NodeID, by caller: Caller,
        later: @escaping @Sendable (Result<HandleID, Refusal>) -> Void
    ) throws(Refusal) -> HandleID? {
        let opening = try begin(id, by: caller)
        guard let event = opening.event else { return try opening.result.get() }
        do {
            let isWritten = try trail.record(event) { [self] error in
                later(error == nil ? opening.result : .failure(unaudited(opening)))
            }
            guard isWritten else { return nil }
        } catch {
            throw unaudited(opening)
        }
        return try opening.result.get()
    }

    /// Decides, and opens what may be opened.
    private func begin(_ id: NodeID, by caller: Caller) throws(Refusal) -> AuditedOpen {
        if id == .root { throw .isDirectory }
        let (content, isWithheld) = try state.withLock { state throws(Refusal) in
            (try state.contentToOpen(id, by: caller.thread), state.isWithheld || state.isEnded)
        }
        // A number of another process namespace is somebody else's in ours.
        let caller = Caller(uid: caller.uid, gid: caller.gid, thread: knowsThreads ? caller.thread : 0)
        var gate = CallerGate(caller, callers, for: content.entries, onlyFor: user)
        let result: Result<HandleID, Refusal>
        do throws(Refusal) {
            if content.isRecorded {
                try gate.admit()
                if isWithheld { throw .unread }
            }
            let file = try open(content, of: id, &gate)
            // Counted from now on, also while the record waits for a disk.
            result = .success(
                try state.withLock { state throws(Refusal) in try state.files.add(file) })
        } catch {
            // Nothing is decided: the kernel asks again.
            if error == .stale { throw error }
            onProblem(content.fileName, error)
            result = .failure(error)
        }
        return AuditedOpen(content: content, event: event(of: content, result, &gate), result: result)
    }

    private func unaudited(_ opening: AuditedOpen) -> Refusal {
        if case .success(let handle) = opening.result { close(handle) }
        onProblem(opening.content.fileName, .unaudited)
        return .unaudited
    }

    private func event(
        of content: Content, _ result: Result<HandleID, Refusal>, _ gate: inout CallerGate
    ) -> AuditEvent? {
        var event: AuditEvent
        switch content {
        case .entry(let entry):
            event = AuditEvent(
                .open, by: gate.actor(), home: .algorithm(algorithm), secret: entry.name,
                id: entry.isUnreadable ? nil : entry.secret,
                version: entry.isUnreadable ? nil : entry.version)
        case .environ(let view, _):
            event = AuditEvent(
                .environ, by: gate.actor(), home: .algorithm(algorithm), generation: view.generation,
                entries: view.entries.count { $0.delivery == .env } - gate.withheldCount)
        case .retired, .generation: return nil
        }
        guard case .failure(let refusal) = result else {
            if gate.withheldCount > 0 {
                event.detail = "\(gate.withheldCount) not for this caller, or expired"
            }
            return event
        }
        event.outcome = refusal == .denied ? .denied : .failed
        event.entries = nil
        let reason = refusal == .denied ? gate.denial : nil
        event.detail = reason ?? "\(refusal)" + (user.map { ", in a mount of uid \($0)" } ?? "")
        return event
    }
}

extension Content {
    /// Whether it has anything of a value.
    fileprivate var isRecorded: Bool {
        switch self {
        case .entry, .environ: true
        case .generation, .retired: false
        }
    }

    /// Whose rules decide.
    fileprivate var entries: [Entry] {
        switch self {
        case .entry(let entry): [entry]
        case .environ(let view, _): view.entries
        case .generation, .retired: []
        }
    }
}
