/// Sends notices to the kernel on threads of its own, each session's in order.
///
/// Never done by a worker: the kernel takes the directory's lock to drop a name, and a LOOKUP that waits for
/// that worker's answer holds it. A process that faults in getdents(2) holds it for as long as it likes, and
/// nothing but its end frees the thread that waits: neither a signal nor an aborted connection does.
final class Notifier: Sendable {
    /// Invalidations: each may block for ever, and then holds up its own session only.
    private let changes: NoticeLane
    /// Poll wake-ups: they take no lock that a process could sit on.
    private let wakes: NoticeLane

    init() throws(SessionError) {
        changes = try NoticeLane(named: "fuse-notifier", threads: 2)
        do { wakes = try NoticeLane(named: "fuse-waker", threads: 1) } catch {
            changes.stop(by: .max)
            throw error
        }
    }

    func register(_ session: Session) {
        changes.register(session)
        wakes.register(session)
    }

    func enqueue(_ notice: Notice, for id: Session.ID) {
        if case .wake = notice { wakes.enqueue(notice, for: id) } else { changes.enqueue(notice, for: id) }
    }

    /// Drops what waits for the session and calls `then` once no thread uses it: at once, or from a thread
    /// of ours. Only the first call for a session counts.
    func retire(_ id: Session.ID, then: @escaping @Sendable () -> Void) {
        wakes.retire(id) { [changes] in changes.retire(id, then: then) }
    }

    /// Calls `then` in the place of what `retire` was given, which then never happens.
    ///
    /// - Returns: false if it is not a blocked notice that it waits for; `retire` holds as it was.
    func abandon(_ id: Session.ID, then: @escaping @Sendable () -> Void) -> Bool {
        changes.abandon(id, then: then)
    }

    /// Returns when all threads have ended, but no later than `deadline` (monotonic, in nanoseconds): those
    /// that are blocked end when the kernel lets them.
    ///
    /// - Precondition: all sessions are retired or abandoned.
    func stop(by deadline: UInt64) {
        wakes.stop(by: deadline)
        changes.stop(by: deadline)
    }
}
