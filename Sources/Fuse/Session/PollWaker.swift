import CFuse
import Synchronization

/// Wakes the processes that poll one open file. Fires once; the kernel asks again after that. Dropping it
/// unused is fine: nobody is woken.
@safe package final class PollWaker: Sendable {
    private let action: Mutex<(@Sendable () -> Void)?>

    /// - Parameter onWake: called at most once, on the thread that calls `wake`.
    package init(onWake: @escaping @Sendable () -> Void = {}) { action = Mutex(onWake) }

    /// Never blocks; works from any thread, also after the mount is gone.
    package func wake() {
        // Called outside the lock: what it holds goes with the closure.
        let fire = action.withLock { action in
            defer { action = nil }
            return action
        }
        fire?()
    }
}

/// libfuse's name for a waiting poll; given back when the last reference goes.
@safe final class PollHandle: Sendable {
    // SAFETY: libfuse's handle is plain memory of ours until `deinit` frees it; nothing changes it.
    nonisolated(unsafe) let raw: OpaquePointer

    init(_ raw: OpaquePointer) { unsafe self.raw = raw }
    deinit { unsafe fuse_pollhandle_destroy(raw) }
}
