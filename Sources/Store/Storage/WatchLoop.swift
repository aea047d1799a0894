import CLinux
import GRDB
import Glibc
import Synchronization

/// What the thread of a watch does: sleeps until the kernel tells of a write to the store's log, then looks
/// until the commit behind it can be seen.
///
/// The event of a write comes before its commit is durable, and the commit becomes visible later still and
/// without an event, through memory that the connections share. A change that is seen may be the one before.
/// So the thread looks, with growing pauses, until it could take the write lock for a moment: then no commit
/// is under way, and what it saw is the newest. Without events it does not run at all.
final class WatchLoop: Sendable {
    private let file: StoreFile
    private let connection: SQLiteConnection
    private let onChange: @Sendable (Revision) -> Void
    private let events: Descriptor
    private let wakeUp: Descriptor
    private let isStopped = Atomic(false)
    /// The revision that was told last.
    private let told: Mutex<Revision>
    var path: String { file.path }

    init(_ file: StoreFile, _ onChange: @escaping @Sendable (Revision) -> Void) throws(StorageError) {
        self.file = file
        self.onChange = onChange
        events = Descriptor(inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC)))
        guard events.number >= 0 else {
            let limit =
                errno == EMFILE ? "no inotify instance is left; raise fs.inotify.max_user_instances" : nil
            throw limit.map { .unavailable(path: file.path, reason: $0) } ?? .system(errno, file.path)
        }
        wakeUp = Descriptor(eventfd(0, Int32(EFD_NONBLOCK) | Int32(EFD_CLOEXEC)))
        guard wakeUp.number >= 0 else { throw .system(errno, file.path) }
        connection = try SQLiteConnection(opening: file.path)
        // The first read creates the log where there is none; it stays as long as this connection.
        _ = try connection.revision()
        try Self.observe(file, events)
        // After the watch is set, so that whatever is committed later has its event.
        told = Mutex(try connection.revision())
        try connection.stopWaiting()
    }

    func stop() {
        isStopped.store(true, ordering: .releasing)
        eventfd_write(wakeUp.number, 1)
    }

    private var isRunning: Bool { !isStopped.load(ordering: .acquiring) }

    func run() {
        while isRunning {
            wait(for: -1, orEvents: true)
            if isRunning { lookUntilSettled() }
        }
    }

    /// Milliseconds. Commits take one to some ten; a bulk import takes seconds.
    private static let pauses: [Int32] = [1, 1, 2, 4, 8, 16, 20]
    private static let longPause: Int32 = 250
    /// After this many pauses in vain the pauses are long: about one second.
    private static let manyPauses = 50
    /// How often to look again when looking fails (a damaged file, an unplugged disk): about 30 s.
    private static let patience = 120

    private func lookUntilSettled() {
        var pausesTaken = 0
        var failures = 0
        while isRunning {
            drainEvents()
            do {
                // Who writes without a break is followed closely: the pauses grow only while nothing comes.
                if try tell(connection.revision()) { pausesTaken = 0 }
                try tell(connection.revisionWhenNobodyWrites())
                return
            } catch .busy {
                failures = 0
            } catch {
                // Nothing can be told. The next event starts over.
                failures += 1
                if failures > Self.patience { return }
            }
            let isSlow = pausesTaken >= Self.manyPauses || failures > 0
            let pause = isSlow ? Self.longPause : Self.pauses[min(pausesTaken, Self.pauses.count - 1)]
            pausesTaken += 1
            wait(for: pause, orEvents: false)
        }
    }

    /// - Returns: whether it was news.
    @discardableResult
    private func tell(_ revision: Revision) -> Bool {
        let isNews = told.withLock { told in
            defer { told = revision }
            return told != revision
        }
        if isNews, isRunning { onChange(revision) }
        return isNews
    }

    /// Sleeps until `stop()`, or an event if asked for, or for `milliseconds` (-1: for ever).
    private func wait(for milliseconds: Int32, orEvents: Bool) {
        var descriptors = [pollfd(fd: wakeUp.number, events: Int16(POLLIN), revents: 0)]
        if orEvents { descriptors.append(pollfd(fd: events.number, events: Int16(POLLIN), revents: 0)) }
        // Interrupted or not: the caller looks again.
        unsafe poll(&descriptors, nfds_t(descriptors.count), milliseconds)
    }

    /// Takes all events. What they say does not matter: after any of them the log may be another file.
    private func drainEvents() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while unsafe read(events.number, &buffer, buffer.count) > 0 {}
        try? Self.observe(file, events)
    }

    /// Asks for events of writes to the log, and of files that come and go in the directory: not of writes to
    /// other files there, such as the audit log.
    private static func observe(_ file: StoreFile, _ events: Descriptor) throws(StorageError) {
        let arrivals = UInt32(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
        guard unsafe inotify_add_watch(events.number, file.directory, arrivals) >= 0 else {
            throw .system(errno, file.directory)
        }
        guard unsafe inotify_add_watch(events.number, file.log, UInt32(IN_MODIFY)) >= 0 || errno == ENOENT
        else {
            throw .system(errno, file.log)
        }
    }
}

/// Closes itself.
private final class Descriptor: Sendable {
    let number: Int32
    init(_ number: Int32) { self.number = number }
    deinit { if number >= 0 { close(number) } }
}

extension SQLiteConnection {
    func revision() throws(StorageError) -> Revision {
        try read { database in Revision(try StoreState(database, path: path).revision) }
    }

    /// The newest revision, read under the write lock.
    ///
    /// - Throws: `.busy` while somebody has it.
    func revisionWhenNobodyWrites() throws(StorageError) -> Revision {
        try transact(.immediate) { database in
            (Revision(try StoreState(database, path: path).revision), .rollback)
        }
    }
}
