import Synchronization

/// The workers that serve one session each: that of a `WritableTree`, whose calls may wait for storage.
final class OwnWorkers: Sendable {
    private struct State {
        var running: [(worker: Worker, thread: Thread)] = []
        var isStopped = false
    }
    private let state = Mutex(State())

    /// A worker with a thread of its own, which ends after `Worker.post(.stop)`.
    ///
    /// - Throws: `.resources`, `.stopped`.
    func start(notifier: Notifier, spin: Spin) throws(SessionError) -> Worker {
        // One `echo > value` is eighteen requests, each of which the same caller makes when it has the last answer.
        let worker = try Worker(notifier: notifier, spin: spin)
        let buffer = try RequestBuffer(locked: ())
        let ended = try state.withLock { state throws(SessionError) in
            guard !state.isStopped else { throw .stopped }
            let thread = try Thread(named: "fuse-writable") { worker.run(buffer) }
            let ended = state.running.filter { $0.worker.hasEnded.load(ordering: .acquiring) }
            state.running.removeAll { $0.worker.hasEnded.load(ordering: .acquiring) }
            state.running.append((worker, thread))
            return ended
        }
        for (_, thread) in ended { thread.join() }
        return worker
    }

    /// No more are started; those that run end with their sessions.
    func stop() -> [Thread] {
        let running = state.withLock { state in
            state.isStopped = true
            defer { state.running = [] }
            return state.running
        }
        for (worker, _) in running { worker.post(.stop) }
        return running.map(\.thread)
    }
}
