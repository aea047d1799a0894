import CLinux
import Glibc

/// An eventfd: one thread rings, another sleeps until then.
final class Bell: Sendable {
    let descriptor: Int32

    /// - Parameter counting: each ring wakes one sleeper; otherwise all rings until then are one.
    init(counting: Bool) throws(SessionError) {
        let flags = Int32(EFD_CLOEXEC) | Int32(counting ? EFD_SEMAPHORE : EFD_NONBLOCK)
        descriptor = eventfd(0, flags)
        guard descriptor >= 0 else { throw .resources(errno: errno) }
    }
    deinit { close(descriptor) }

    func ring() {
        var one: UInt64 = 1
        // Cannot fail before 2^64 rings are unheard.
        _ = unsafe Glibc.write(descriptor, &one, 8)
    }

    /// Takes the rings until now; a counting bell waits for one and takes it.
    func hear() {
        var count: UInt64 = 0
        while unsafe Glibc.read(descriptor, &count, 8) == -1, errno == EINTR {}
    }

    /// Sleeps until it rings, but no longer than `deadline` (monotonic, in nanoseconds).
    func wait(until deadline: UInt64) {
        var ringing = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let now = linux_monotonic_nanoseconds()
            let left = deadline > now ? (deadline - now) / 1_000_000 + 1 : 0
            let found = unsafe poll(&ringing, 1, Int32(clamping: left))
            if found > 0 || left == 0 { return }
        }
    }
}
