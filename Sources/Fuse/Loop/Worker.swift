import CLinux
import Glibc
import Synchronization

/// One thread that serves some of the sessions. Requests of one session are answered in the kernel's order.
final class Worker: Sendable {
    enum Command: Sendable {
        case add(Session, onEnd: @Sendable (SessionEnd) -> Void)
        case remove(Session.ID)
        /// The notifier let go of it.
        case destroy(Session.ID)
        /// Remove every session, then end.
        case stop
    }
    private struct Mailbox {
        var commands: [Command] = []
        var isStopped = false
    }

    /// How many sessions are here, for a fair share.
    let load = Atomic<Int>(0)
    let bell: Bell
    let epoll: Int32
    let notifier: Notifier
    let spin: Spin
    /// Its thread is about to end, or has ended.
    let hasEnded = Atomic(false)
    private let mailbox = Mutex(Mailbox())

    init(notifier: Notifier, spin: Spin) throws(SessionError) {
        bell = try Bell(counting: false)
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw .resources(errno: errno) }
        self.notifier = notifier
        self.spin = spin
        guard linux_epoll_set(epoll, EPOLL_CTL_ADD, bell.descriptor, EPOLLIN.rawValue, Self.bellKey) == 0
        else {
            throw .resources(errno: errno)
        }
    }
    deinit { close(epoll) }

    /// No session has this number; they count from 1.
    static let bellKey: UInt64 = 0

    /// - Returns: false after `.stop`; then the command is not carried out.
    @discardableResult
    func post(_ command: Command) -> Bool {
        let isTaken = mailbox.withLock { mailbox in
            if case .destroy = command {} else if mailbox.isStopped { return false }
            if case .stop = command { mailbox.isStopped = true }
            mailbox.commands.append(command)
            return true
        }
        if isTaken { bell.ring() }
        return isTaken
    }

    func takeCommands() -> [Command] {
        bell.hear()
        return mailbox.withLock { mailbox in
            defer { mailbox.commands = [] }
            return mailbox.commands
        }
    }

    /// - Parameter buffer: this thread's own.
    func run(_ buffer: RequestBuffer) {
        var turn = WorkerTurn(self, buffer)
        turn.run()
        hasEnded.store(true, ordering: .releasing)
    }
}

/// How long a worker that has answered a request keeps asking for the next one before it sleeps, while its caller is on
/// another processor (`Nearness`).
///
/// The next request of the same caller (LOOKUP, OPEN, READ, RELEASE) comes within microseconds, and waking a
/// sleeping processor costs more than all the work. An idle worker does not spin.
package struct Spin: Sendable {
    /// 0: sleep at once.
    package let nanoseconds: UInt64
    package init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    package static let none = Spin(nanoseconds: 0)

    /// Measured; docs/BENCHMARKS.md. With a single processor spinning would only keep the caller off it.
    package static var standard: Spin { Spin(nanoseconds: linux_usable_processors() > 1 ? 50_000 : 0) }
}
