import CLinux
import Glibc
import Synchronization

/// What the threads of a lane do.
extension NoticeLane {
    /// How long a session may wait for a thread before there is one more.
    private static let patience: UInt64 = 20_000_000

    /// Starts a thread that nobody joins: it may be blocked for as long as a stranger's process likes.
    func startThread(_ body: @escaping @Sendable () -> Void) throws(SessionError) {
        state.withLock { $0.threads += 1 }
        do {
            try Thread(named: name) { [self] in
                body()
                countOut()
            }.detach()
        } catch {
            countOut()
            throw error
        }
    }

    private func countOut() {
        let isLast = state.withLock { state in
            state.threads -= 1
            return state.threads == 0
        }
        if isLast { silence.ring() }
    }

    static func schedule(_ queue: inout Queue, _ ready: inout [(id: Session.ID, since: UInt64)]) -> Bool {
        guard !queue.isScheduled else { return false }
        queue.isScheduled = true
        ready.append((queue.session.id, linux_monotonic_nanoseconds()))
        return true
    }

    func run() {
        while rest() {
            bell.hear()
            let (next, isStopping) = state.withLock { state in
                state.idle -= 1
                return (state.ready.isEmpty ? nil : state.ready.removeFirst().id, state.isStopping)
            }
            if let next {
                sendAll(for: next)
            } else if isStopping {
                bell.ring()
                return
            }
        }
    }

    /// Whether this thread should wait for work: enough others may do so already.
    private func rest() -> Bool {
        state.withLock { state in
            guard state.idle < standby else { return false }
            state.idle += 1
            return true
        }
    }

    /// Starts another thread whenever a session has waited too long for one. Never more than sessions: each
    /// occupies at most one.
    func watch() {
        while true {
            alarm.hear()
            while true {
                let (isWaiting, isStopping, isLate) = state.withLock { state in
                    let now = linux_monotonic_nanoseconds()
                    let isLate = state.ready.first.map { now > $0.since + Self.patience } ?? false
                    let isBounded = state.threads <= state.queues.count + standby
                    return (!state.ready.isEmpty, state.isStopping, isLate && isBounded && state.idle == 0)
                }
                if isStopping { return }
                guard isWaiting else { break }
                // Without memory for a thread the session waits on, and this asks again.
                if isLate { try? startThread { [self] in run() } }
                usleep(UInt32(Self.patience / 1000))
            }
        }
    }

    /// Sends what waits for one session, then lets go of it, or queues it again behind the others.
    private func sendAll(for id: Session.ID) {
        let batch = state.withLock { state in
            let queue = state.queues[id]
            state.queues[id]?.waiting = []
            state.queues[id]?.keys = []
            return queue
        }
        guard let batch else { return }
        for notice in batch.waiting {
            guard state.withLock({ $0.queues[id]?.retirement == nil }) else { break }
            notice.send(to: batch.session)
        }
        letGo(of: id)
    }

    private func letGo(of id: Session.ID) {
        let (retirement, isAgain, isLate) = state.withLock { state -> ((@Sendable () -> Void)?, Bool, Bool) in
            guard var queue = state.queues.removeValue(forKey: id) else { return (nil, false, false) }
            if let retirement = queue.retirement { return (retirement, false, false) }
            queue.isScheduled = false
            let isAgain = !queue.waiting.isEmpty && Self.schedule(&queue, &state.ready)
            state.queues[id] = queue
            return (nil, isAgain, state.idle < state.ready.count)
        }
        if isAgain { bell.ring() }
        if isAgain && isLate { alarm.ring() }
        retirement?()
    }
}
