import CLinux
import Glibc
package import Logging

/// Accepts connections on a socket until it is shut down.
package enum AcceptLoop {
    /// - Parameter take: must not block: the next connection waits for it.
    package static func run(_ socket: OwnedDescriptor, _ log: Logger, _ take: (OwnedDescriptor) -> Void) {
        while true {
            let accepted = linux_accept(socket.raw)
            guard accepted < 0 else {
                take(OwnedDescriptor(accepted))
                continue
            }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EMFILE, ENFILE, ENOMEM:
                log.error("no descriptor for a command; waiting")
                usleep(100_000)
            default: return
            }
        }
    }
}
