import CLinux
import Synchronization

/// Queues of notices, one per session, and the threads that send them: at most one thread per session at a
/// time, and more threads while all of them are blocked.
final class NoticeLane: Sendable {
    /// What waits for one session. Bounded: by coalescing, each name and node waits once, and each poll of
    /// the kernel's can be woken once.
    struct Queue {
        let session: Session
        var waiting: [Notice] = []
        var keys: Set<Notice.Key> = []
        /// A thread sends for this session now, or it is in `State.ready`.
        var isScheduled = false
        /// To call when no thread uses the session any more; nothing is accepted from here on.
        var retirement: (@Sendable () -> Void)?
    }
    struct State {
        var queues: [Session.ID: Queue] = [:]
        /// The sessions that no thread has taken yet, and since when (monotonic, in nanoseconds).
        var ready: [(id: Session.ID, since: UInt64)] = []
        /// Threads that run, and those of them that wait for work.
        var threads = 0
        var idle = 0
        var isStopping = false
    }
    let state = Mutex(State())
    /// Rings once for each session in `State.ready`.
    let bell: Bell
    /// Rings when work is queued while no thread is idle, and to end.
    let alarm: Bell
    /// Rings when the last thread has ended.
    let silence: Bell
    let name: String
    /// Idle threads beyond this number end.
    let standby: Int

    /// - Parameters:
    ///   - name: of the threads.
    ///   - count: threads that are always there.
    /// - Throws: `.resources`.
    init(named name: String, threads count: Int) throws(SessionError) {
        self.name = name
        standby = count
        bell = try Bell(counting: true)
        alarm = try Bell(counting: true)
        silence = try Bell(counting: false)
        do {
            try startThread { [self] in watch() }
            for _ in 0..<count { try startThread { [self] in run() } }
        } catch {
            stop(by: .max)
            throw error
        }
    }

    func register(_ session: Session) {
        state.withLock { state in state.queues[session.id] = Queue(session: session) }
    }

    func enqueue(_ notice: Notice, for id: Session.ID) {
        let (isNew, isLate) = state.withLock { state in
            guard var queue = state.queues.removeValue(forKey: id) else { return (false, false) }
            defer { state.queues[id] = queue }
            guard queue.retirement == nil else { return (false, false) }
            if let key = notice.key {
                guard queue.keys.insert(key).inserted else { return (false, false) }
            }
            queue.waiting.append(notice)
            return (Self.schedule(&queue, &state.ready), state.idle < state.ready.count)
        }
        guard isNew else { return }
        bell.ring()
        if isLate { alarm.ring() }
    }

    /// As `Notifier.retire`.
    func retire(_ id: Session.ID, then: @escaping @Sendable () -> Void) {
        let isIdle = state.withLock { state in
            guard let queue = state.queues[id], queue.retirement == nil else { return false }
            state.queues[id]?.waiting = []
            state.queues[id]?.keys = []
            state.queues[id]?.retirement = then
            guard !queue.isScheduled else { return false }
            state.queues[id] = nil
            return true
        }
        if isIdle { then() }
    }

    /// As `Notifier.abandon`.
    func abandon(_ id: Session.ID, then: @escaping @Sendable () -> Void) -> Bool {
        state.withLock { state in
            guard state.queues[id]?.retirement != nil else { return false }
            state.queues[id]?.retirement = then
            return true
        }
    }

    /// As `Notifier.stop`.
    func stop(by deadline: UInt64) {
        let isOver = state.withLock { state in
            state.isStopping = true
            return state.threads == 0
        }
        // Each thread that hears it and has nothing to do passes it on.
        bell.ring()
        alarm.ring()
        if !isOver { silence.wait(until: deadline) }
    }
}
