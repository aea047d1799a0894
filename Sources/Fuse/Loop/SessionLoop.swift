import CLinux
import Glibc
import Synchronization

/// Serves many mounts on a few threads. Each session belongs to one worker, so a tree sees its calls one
/// after the other. A session of a `WritableTree` has a worker of its own.
package final class SessionLoop: Sendable {
    private let workers: [Worker]
    private let own = OwnWorkers()
    private let notifier: Notifier
    private let threads: Mutex<[Thread]>
    private let spin: Spin

    /// - Parameter count: threads that answer requests.
    /// - Throws: `.resources`.
    package init(workers count: Int = SessionLoop.standardWorkers, spin: Spin = .standard)
        throws(SessionError)
    {
        let notifier = try Notifier()
        var workers: [Worker] = []
        var threads: [Thread] = []
        do {
            for index in 0..<max(1, count) {
                let worker = try Worker(notifier: notifier, spin: spin)
                threads.append(try Thread(named: "fuse-worker-\(index)") { worker.run(RequestBuffer()) })
                workers.append(worker)
            }
        } catch {
            for worker in workers { worker.post(.stop) }
            for thread in threads { thread.join() }
            notifier.stop(by: .max)
            throw error
        }
        self.spin = spin
        self.workers = workers
        self.notifier = notifier
        self.threads = Mutex(threads)
    }

    /// One per processor, at least 2 and at most 4: more would only wait for each other.
    package static var standardWorkers: Int { min(4, max(2, Int(linux_usable_processors()))) }

    /// Serves `tree` on `descriptor`, a /dev/fuse descriptor that is mounted already.
    ///
    /// - Parameters:
    ///   - descriptor: the session's own from here on; closed in the end, also when this throws.
    ///   - keeper: `Mounted.keeper`, closed when the session is over.
    ///   - onEnd: called once, on the session's worker, after its handles and its descriptor are closed. Must
    ///     not block and must not call `stop`. If the kernel still holds a notice back, the mount (and `keeper`)
    ///     goes when it lets go of that.
    /// - Throws: `.tooManySessions`, `.descriptor`, `.stopped`.
    @discardableResult
    package func add(
        _ descriptor: Int32, keeper: Int32? = nil, serving tree: any FileTree,
        onEnd: @escaping @Sendable (SessionEnd) -> Void = { _ in }
    ) throws(SessionError) -> Session {
        guard tree is any WritableTree else {
            let worker = workers.min {
                $0.load.load(ordering: .relaxed) < $1.load.load(ordering: .relaxed)
            }
            guard let worker else {
                Self.close(descriptor, keeper)
                throw .stopped
            }
            return try add(descriptor, keeper, tree, to: worker, onEnd)
        }
        let worker: Worker
        do { worker = try own.start(notifier: notifier, spin: spin) } catch {
            Self.close(descriptor, keeper)
            throw error
        }
        do {
            return try add(descriptor, keeper, tree, to: worker) { end in
                onEnd(end)
                worker.post(.stop)
            }
        } catch {
            worker.post(.stop)
            throw error
        }
    }

    private static func close(_ descriptor: Int32, _ keeper: Int32?) {
        Glibc.close(descriptor)
        if let keeper { Glibc.close(keeper) }
    }

    private func add(
        _ descriptor: Int32, _ keeper: Int32?, _ tree: any FileTree, to worker: Worker,
        _ onEnd: @escaping @Sendable (SessionEnd) -> Void
    ) throws(SessionError) -> Session {
        let session = try Session(descriptor, keeper: keeper, serving: tree, worker: worker)
        worker.load.wrappingAdd(1, ordering: .relaxed)
        notifier.register(session)
        guard worker.post(.add(session, onEnd: onEnd)) else {
            notifier.retire(session.id) {}
            session.destroy()
            throw .stopped
        }
        return session
    }

    /// Ends the session soon: what waits for the kernel is dropped, handles and descriptor are closed. If no
    /// other process has the descriptor, the mount answers every further call with ENOTCONN until it is
    /// unmounted. Does nothing if it has ended.
    package func remove(_ session: Session) { session.worker.post(.remove(session.id)) }

    /// Ends every session, each with its `onEnd`, and returns when all threads have ended. Once.
    ///
    /// A notice that the kernel holds back, because a process sits on a directory, is waited for at most
    /// `WorkerTurn.grace` nanoseconds; its thread is then left behind.
    package func stop() {
        let deadline = linux_monotonic_nanoseconds() + WorkerTurn.grace
        for worker in workers { worker.post(.stop) }
        let running =
            own.stop()
            + threads.withLock { threads in
                defer { threads = [] }
                return threads
            }
        guard !running.isEmpty else { return }
        for thread in running { thread.join() }
        // What is not blocked ends at once, also when the workers have used up the time.
        notifier.stop(by: max(deadline, linux_monotonic_nanoseconds() + 100_000_000))
    }
}
