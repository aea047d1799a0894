internal import CLinux
internal import Glibc
package import Secrets
internal import Synchronization

/// The audit log of one store: `audit.log` in its folder, written by every process that uses the store.
///
/// Who writes has the lock of the file that has that name. A process remembers where the chain ends, and reads only
/// what others appended since. Each line is one write(2), so a process that is killed leaves a whole line or, at
/// worst, the start of one, which the next writer mends.
package final class AuditLog: Sendable {
    let folder: AuditFolder
    let key: AuditKey
    private let state: Mutex<State>
    private let durably = SharedTurn<[AuditEvent], Result<Void, AuditError>>(atMost: 64)

    struct State: ~Copyable {
        let mac: AuditMAC
        var tail: AuditTail?
        /// For the next line, of a process that stays.
        var kept: KeptAuditFile?
        /// Lines up to here were written, whatever the file says now.
        var known: AuditLink
    }

    /// What is asked for without waiting for anybody who writes.
    private let facts: Mutex<Facts>

    private struct Facts {
        var settings: AuditSettings
        /// Where the chain ends, as far as this process knows, and how long the file is.
        var end: AuditLink
        var fileCount = 0
        /// Up to which line storage knows the log.
        var anchored: UInt64
        /// Why the disk did not take what was written; nothing is released until it does.
        var failure: AuditError?
    }

    /// How long a writer waits for another process's lock, in nanoseconds.
    static let patience: UInt64 = 10_000_000_000

    init(
        at path: String, _ key: AuditKey, known: AuditLink, settings: AuditSettings
    ) throws(SealError) {
        folder = AuditFolder(path: path)
        self.key = key
        state = Mutex(State(mac: try AuditMAC(key), tail: nil, kept: nil, known: known))
        facts = Mutex(Facts(settings: settings, end: known, anchored: known.sequence))
    }

    package var settings: AuditSettings { facts.withLock { $0.settings } }
    package func apply(_ settings: AuditSettings) { facts.withLock { $0.settings = settings } }

    /// Where the chain ends, as far as this process knows.
    var end: AuditLink { facts.withLock { $0.end } }
    var anchored: UInt64 { facts.withLock { $0.anchored } }
    func hasAnchored(_ sequence: UInt64) { facts.withLock { $0.anchored = max($0.anchored, sequence) } }
    /// Whether the file is as long as it may be.
    var isFull: Bool { facts.withLock { $0.fileCount >= $0.settings.maximumCount } }
    /// Whether so many lines were written since storage was told of one.
    func isAnchorDue(after count: UInt64) -> Bool {
        facts.withLock { $0.end.sequence &- $0.anchored >= count }
    }

    private func checkDisk() throws(AuditError) {
        if let failure = facts.withLock({ $0.failure }) { throw failure }
    }

    private func tell(_ state: borrowing State) {
        let (link, count) = (state.known, state.tail?.end ?? 0)
        facts.withLock { facts in
            facts.end = link
            facts.fileCount = count
        }
    }

    // MARK: Writing

    /// Writes all of `events`, or none; they also survive a power cut when this returns, if `isDurable`.
    package func write(_ events: [AuditEvent], isDurable: Bool) throws(AuditError) {
        guard !events.isEmpty else { return }
        guard isDurable else {
            _ = try append(events)
            return
        }
        // Threads that come at the same time share a write and an fsync.
        try durably.take(events) { requests in
            let all = writtenDurably(Array(requests.joined()))
            if case .failure(let error) = all, requests.count > 1, !error.isLoss {
                // What one of them brought about must not be the others' failure.
                return requests.map(writtenDurably)
            }
            return requests.map { _ in all }
        }.get()
    }

    private func writtenDurably(_ events: [AuditEvent]) -> Result<Void, AuditError> {
        Result { () throws(AuditError) in
            let file = try append(events)
            try file.sync()
        }
    }

    private func append(_ events: [AuditEvent]) throws(AuditError) -> AuditFile {
        try withFile { file, state throws(AuditError) in try state.append(events, to: file) }
    }

    /// Writes `event`, if that takes no more than a write to a file that nobody else writes to now.
    ///
    /// - Returns: false: nothing was written; `write` finds out why.
    func writeAtOnce(_ event: AuditEvent) throws(AuditError) -> Bool {
        try checkDisk()
        let done = try state.withLockIfAvailable { state throws(AuditError) in
            // Put back only if all went well: whatever is wrong with it, the next line begins with another.
            guard let tail = state.tail, let kept = try state.takeFile(folder.current, of: tail),
                try kept.lockAtOnce(endingAt: tail)
            else { return false }
            try state.append([event], to: kept.file, behind: tail)
            kept.file.unlock()
            state.kept = consume kept
            tell(state)
            return true
        }
        return done ?? false
    }

    /// What was written until now survives a power cut when this returns.
    func sync() throws(AuditError) {
        do throws(AuditError) {
            guard let file = try AuditFile.openForReading(folder.current) else {
                throw .lost(path: folder.current)
            }
            try file.sync()
            facts.withLock { $0.failure = nil }
        } catch {
            // A file that is gone is the next writer's business, who says so.
            if case .lost = error {} else { facts.withLock { $0.failure = error } }
            throw error
        }
    }

    /// Calls `body` with the locked file of the present name, behind whose last line the state stands.
    ///
    /// - Returns: the file, no longer locked.
    func withFile(
        _ body: (borrowing AuditFile, inout State) throws(AuditError) -> Void
    ) throws(AuditError) -> AuditFile {
        try checkDisk()
        return try state.withLock { state throws(AuditError) in
            defer { tell(state) }
            let file = try lockedFile(&state)
            try state.catchUp(with: file)
            try body(file, &state)
            file.unlock()
            return file
        }
    }

    private func lockedFile(_ state: inout State) throws(AuditError) -> AuditFile {
        let deadline = linux_monotonic_nanoseconds() + Self.patience
        while true {
            guard let file = try AuditFile.openForAppending(folder.current) else {
                let knewIt = state.tail != nil
                try beginAgain(&state)
                if knewIt { throw .lost(path: folder.current) }
                continue
            }
            guard try file.lock(until: deadline) else { throw .busy(path: folder.current) }
            // Moved aside by a rotation while this waited.
            if try file.hasItsName() { return file }
        }
    }

    /// The file is gone: there is a new one, whose first line says so.
    private func beginAgain(_ state: inout State) throws(AuditError) {
        if let moved = try AuditFile.openForReading(folder.moved(1)) {
            let ending = try AuditEnding(of: moved, count: Int(moved.status().st_size), state.mac)
            if let link = ending.link, link.sequence > state.known.sequence { state.known = link }
        }
        var link = state.known
        let event = AuditEvent(.logLost, by: .thisProcess, detail: "the file was not there")
        let file = try folder.begin([event], following: &link, state.mac)
        // Of two that notice, the second writes behind the first.
        guard let file else { return }
        state.known = link
        state.tail = try AuditTail(file, end: Int(file.status().st_size), link: link)
    }
}

extension AuditLog: AuditTrail {
    /// For commands, which end soon: durable whatever the settings say.
    package func record(_ events: [AuditEvent]) throws(AuditError) { try write(events, isDurable: true) }

    package func record(
        _ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void
    ) throws(AuditError) -> Bool {
        try write([event], isDurable: true)
        return true
    }
}
