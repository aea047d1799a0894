import CLinux
import Glibc

/// Where a worker runs, seen from the thread that it answers.
///
/// Two threads that wait for each other on one processor change places in a few microseconds. On two processors each
/// of the two wake-ups has to fetch a processor from its sleep: 10 to 40 µs on virtual machines, where that leads
/// through the host. So **near** its caller a worker sleeps as soon as it has answered. **Apart** from it, it is better
/// off to keep asking for the next request, which spares one wake-up of the two.
///
/// The kernel chooses the processor on which a thread wakes up. It prefers one that has nothing to do, but on a virtual
/// machine not one that the host has put to sleep (vcpu_is_preempted in select_idle_sibling, kernel/sched/fair.c).
/// So who is near stays near, until something else wakes the other processor at the wrong moment; then both are awake,
/// and the two stay apart for as long as they keep them awake. To come near again the worker moves to the caller's
/// processor and lets it wait once, until the one that it left sleeps.
///
/// Touched by the worker's thread only.
struct Nearness: ~Copyable {
    /// Whether to keep asking for the next request rather than sleep.
    private(set) var isApart = false
    /// Whether this thread is kept on the processor of its caller.
    private(set) var isPinned = false
    private let isPossible: Bool
    private let allowed: linux_processors
    private var answered: (thread: Int32, time: UInt64)?
    /// Requests in a row of one thread that came late.
    private var lateCount = 0
    /// When this last changed (monotonic, in nanoseconds).
    private var since: UInt64 = 0
    /// How long it stays apart before it tries again, in nanoseconds: twice as long each time that was of no use.
    private var patience = Self.shortestPatience

    /// A near caller's next request comes within 3 to 8 µs of the answer before; from apart it takes 15 and more.
    private static let late: UInt64 = 12_000
    /// Later than that a caller was busy with something else.
    private static let busy: UInt64 = 100_000
    private static let shortestPatience: UInt64 = 1_000_000
    private static let longestPatience: UInt64 = 1_024_000_000
    /// Hosts look out for work that long before a processor sleeps (halt_poll_ns of KVM: 200 µs).
    private static let settling: UInt32 = 300
    /// Near for less than this, it has not made up for what coming near cost: some 15 opens, at 20 µs each.
    private static let lasting: UInt64 = 500_000
    /// How long a thread that nobody asks anything stays where it is, in milliseconds: other work may have come to that
    /// processor.
    static let pinned: Int32 = 2

    /// - Parameter isPossible: whether there is a choice of processors.
    init(isPossible: Bool) {
        self.isPossible = isPossible
        allowed = linux_own_processors()
    }

    /// A request of `thread` (0: of nobody whom we know) has arrived and is answered next.
    mutating func meet(_ thread: Int32, opens: Bool) {
        guard isPossible, thread > 0 else { return answered = nil }
        let now = linux_monotonic_nanoseconds()
        if isApart {
            // Before an open, so that one program waits at most once for each.
            if opens, now - since > patience { approach(thread) }
        } else if let answered, answered.thread == thread {
            let gap = now - answered.time
            if gap < Self.late { lateCount = min(lateCount, 0) }
            if (Self.late..<Self.busy).contains(gap) { lateCount += 1 }
        }
    }

    mutating func hasAnswered(_ thread: Int32) {
        guard isPossible, thread > 0 else { return }
        let now = linux_monotonic_nanoseconds()
        answered = (thread, now)
        if lateCount > 1 { look(at: thread, now) }
    }

    /// Nobody has asked anything for a while.
    mutating func rest() {
        isApart = false
        answered = nil
        lateCount = 0
        patience = Self.shortestPatience
        unpin()
    }

    /// Where the thread is that was just woken: while it waited, it was where it had been before.
    private mutating func look(at thread: Int32, _ now: UInt64) {
        let theirs = linux_processor(thread)
        guard theirs >= 0, theirs != linux_own_processor() else {
            // It takes its time and is near all the same: finding that out costs 8 µs.
            lateCount = -16
            return
        }
        patience =
            now - since < Self.lasting ? min(patience * 2, Self.longestPatience) : Self.shortestPatience
        (isApart, lateCount, since) = (true, 0, now)
        unpin()
    }

    private mutating func approach(_ thread: Int32) {
        (isApart, lateCount, answered) = (false, 0, nil)
        let theirs = linux_processor(thread)
        if theirs >= 0, theirs != linux_own_processor(), linux_stay_on(theirs, allowed) == 0 {
            isPinned = true
            usleep(Self.settling)
        }
        since = linux_monotonic_nanoseconds()
    }

    private mutating func unpin() {
        guard isPinned else { return }
        _ = linux_run_on(allowed)
        isPinned = false
    }
}
