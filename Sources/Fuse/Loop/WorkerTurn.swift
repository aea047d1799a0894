import CLinux
import Glibc
import Synchronization

/// A worker's own state, which only its thread touches.
struct WorkerTurn: ~Copyable {
    private struct Served {
        let session: Session
        let onEnd: @Sendable (SessionEnd) -> Void
        /// Why it is over, once it is: the notifier may still hold it.
        var end: SessionEnd?
        /// When it is given up although the notifier holds it (monotonic, in nanoseconds); nil: not retired.
        var deadline: UInt64?
    }
    private let worker: Worker
    private let buffer: RequestBuffer
    private var served: [Session.ID: Served] = [:]
    /// The session that was answered last: its caller's next request is the most likely one to come.
    private var hot: Session?
    private var isStopping = false
    /// How many sessions of `served` have a deadline.
    private var retiring = 0
    private var ready = ReadyList()
    private var nearness: Nearness

    /// How long a session that is over waits for a notice of its own that the kernel holds back.
    static let grace: UInt64 = 2_000_000_000

    /// How long one session is answered before the others get their turn, in nanoseconds; a request that
    /// takes longer is a turn by itself. A number of requests would let slow ones stop everybody.
    private static let turnLength: UInt64 = 1_000_000
    /// Reads of the hot session between two looks at the others.
    private static let readsBetweenLooks = 8

    init(_ worker: Worker, _ buffer: RequestBuffer) {
        self.worker = worker
        self.buffer = buffer
        nearness = Nearness(isPossible: worker.spin.nanoseconds > 0)
    }

    mutating func run() {
        while !(isStopping && served.isEmpty) {
            look(timeout: nearness.isPinned ? Nearness.pinned : retiring == 0 ? -1 : 50)
            if nearness.isPinned, ready.count == 0 { nearness.rest() }
            spin()
            if retiring > 0 { abandonLate() }
        }
    }

    /// Serves every session that has a request. Sleeps until one has if `timeout` is -1; looks if it is 0.
    private mutating func look(timeout: Int32) {
        ready.fill(from: worker.epoll, timeout: timeout)
        for index in 0..<ready.count {
            let key = ready[index]
            if key == Worker.bellKey {
                for command in worker.takeCommands() { carryOut(command) }
            } else if let session = served[Session.ID(rawValue: key)]?.session {
                serve(session)
            }
        }
    }

    private mutating func serve(_ session: Session) {
        let end = linux_monotonic_nanoseconds() + Self.turnLength
        repeat {
            guard answerOne(session) else { return }
        } while linux_monotonic_nanoseconds() < end
        // It is found ready again without spinning, which would give it a second turn.
        if hot === session { hot = nil }
    }

    /// Whether a request was waiting.
    private mutating func answerOne(_ session: Session) -> Bool {
        switch session.receive(into: buffer) {
        case .request(let count, let thread, let opens):
            nearness.meet(thread, opens: opens)
            if let end = session.answer(count, in: buffer) {
                finish(session, end)
                return false
            }
            nearness.hasAnswered(thread)
            hot = session
            return true
        case .nothing: return true
        case .idle: return false
        case .ended(let end):
            finish(session, end)
            return false
        }
    }

    /// Keeps asking the hot session for its next request, and looks at the others in between, while its caller is on
    /// another processor.
    private mutating func spin() {
        guard nearness.isApart else { return }
        var now = linux_monotonic_nanoseconds()
        var deadline = now + worker.spin.nanoseconds
        var nextLook = now + Self.turnLength
        var reads = 0
        while nearness.isApart, let session = hot {
            let isAnswered = answerOne(session)
            now = linux_monotonic_nanoseconds()
            reads += 1
            if isAnswered {
                deadline = now + worker.spin.nanoseconds
            } else if now >= deadline {
                hot = nil
                nearness.rest()
            }
            guard reads % Self.readsBetweenLooks == 0 || now >= nextLook else { continue }
            let before = hot?.id
            look(timeout: 0)
            now = linux_monotonic_nanoseconds()
            nextLook = now + Self.turnLength
            if hot?.id != before { deadline = now + worker.spin.nanoseconds }
            // A busy mount may keep this going for ever.
            if retiring > 0 { abandonLate() }
        }
    }
}

extension WorkerTurn {
    private mutating func carryOut(_ command: Worker.Command) {
        switch command {
        case .add(let session, let onEnd): add(session, onEnd)
        case .remove(let id): retire(id)
        case .destroy(let id): destroy(id)
        case .stop:
            isStopping = true
            for id in Array(served.keys) { retire(id) }
        }
    }

    private mutating func add(_ session: Session, _ onEnd: @escaping @Sendable (SessionEnd) -> Void) {
        served[session.id] = Served(session: session, onEnd: onEnd)
        let descriptor = session.descriptor
        if linux_epoll_set(worker.epoll, EPOLL_CTL_ADD, descriptor, EPOLLIN.rawValue, session.id.rawValue)
            != 0
        {
            finish(session, .failed(errno: errno))
        }
    }

    /// The mount is over: nothing more is read from it.
    private mutating func finish(_ session: Session, _ end: SessionEnd) {
        if hot === session { hot = nil }
        // By hand, because the kernel only does it when the last copy of the descriptor is closed.
        _ = linux_epoll_set(worker.epoll, EPOLL_CTL_DEL, session.descriptor, 0, 0)
        served[session.id]?.end = end
        retire(session.id)
    }

    /// Served on until the notifier lets go: the kernel may hold its notice back until a request is answered.
    private mutating func retire(_ id: Session.ID) {
        guard let session = served[id], session.deadline == nil else { return }
        served[id]?.deadline = linux_monotonic_nanoseconds() + Self.grace
        retiring += 1
        worker.notifier.retire(id) { [worker] in worker.post(.destroy(id)) }
    }

    private mutating func destroy(_ id: Session.ID) {
        guard let last = served[id] else { return }
        if last.end == nil { _ = linux_epoll_set(worker.epoll, EPOLL_CTL_DEL, last.session.descriptor, 0, 0) }
        last.session.destroy()
        forget(id)
    }

    /// Gives up the sessions whose notice is still held back: it has been served long enough to know that no
    /// answer of ours is what the kernel waits for. Whoever sends that notice destroys the session.
    private mutating func abandonLate() {
        let now = linux_monotonic_nanoseconds()
        for (id, late) in served where late.deadline.map({ $0 <= now }) ?? false {
            let session = late.session
            // First of all, because from `abandon` on the session may be destroyed at any time.
            _ = linux_epoll_set(worker.epoll, EPOLL_CTL_DEL, session.descriptor, 0, 0)
            session.abandon()
            guard worker.notifier.abandon(id, then: { session.destroy() }) else { continue }
            forget(id)
        }
    }

    private mutating func forget(_ id: Session.ID) {
        guard let last = served.removeValue(forKey: id) else { return }
        if hot?.id == id { hot = nil }
        if last.deadline != nil { retiring -= 1 }
        worker.load.wrappingSubtract(1, ordering: .relaxed)
        last.onEnd(last.end ?? .removed)
    }
}
