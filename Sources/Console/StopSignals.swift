import CLinux
import Glibc

/// SIGTERM and SIGINT, or a request of our own, as something to wait for. Signals are blocked in every
/// thread that is started after this.
package final class StopSignals: Sendable {
    private let signals: OwnedDescriptor
    private let request: OwnedDescriptor

    package init() {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in [SIGTERM, SIGINT, SIGHUP] { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
        signals = OwnedDescriptor(unsafe linux_signalfd(&set))
        request = OwnedDescriptor(linux_eventfd())
    }

    /// From any thread.
    package func stop() { eventfd_write(request.raw, 1) }

    package func wait() {
        var waiting = [
            pollfd(fd: signals.raw, events: Int16(POLLIN), revents: 0),
            pollfd(fd: request.raw, events: Int16(POLLIN), revents: 0),
        ]
        while unsafe poll(&waiting, 2, -1) < 0 && errno == EINTR {}
    }
}
