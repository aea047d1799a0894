import Glibc
import Synchronization

/// A thread that tells of commits. It ends with `cancel()` or with this object.
final class SQLiteWatch: Watch {
    private let loop: WatchLoop
    private let thread: pthread_t
    private let isJoined = Mutex(false)

    init(
        _ file: StoreFile, _ onChange: @escaping @Sendable (Revision) -> Void
    ) throws(StorageError) {
        loop = try WatchLoop(file, onChange)
        thread = try Self.start(loop)
    }

    deinit {
        cancel()
        // Released by its own call: nobody is left to wait for the thread.
        if isOwnThread, !isJoined.withLock({ $0 }) { pthread_detach(thread) }
    }

    private var isOwnThread: Bool { pthread_equal(thread, pthread_self()) != 0 }

    func cancel() {
        loop.stop()
        // A thread cannot wait for its own end. From inside a call this suffices: no further one begins.
        guard !isOwnThread else { return }
        isJoined.withLock { isJoined in
            guard !isJoined else { return }
            pthread_join(thread, nil)
            isJoined = true
        }
    }

    private static func start(_ loop: WatchLoop) throws(StorageError) -> pthread_t {
        var thread = pthread_t()
        // Signals are for the threads that the program has for them.
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        // SAFETY: retained here, released by the thread.
        let retained = unsafe Unmanaged.passRetained(loop)
        let number = unsafe pthread_create(
            &thread, nil,
            { argument in
                if let argument = unsafe argument {
                    unsafe Unmanaged<WatchLoop>.fromOpaque(argument).takeRetainedValue().run()
                }
                return nil
            }, retained.toOpaque())
        guard number == 0 else {
            unsafe retained.release()
            throw .system(number, loop.path)
        }
        return thread
    }
}
