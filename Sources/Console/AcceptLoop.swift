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
            case EINVAL, EBADF, ENOTSOCK: return  // shut down
            case let reason:
                // No descriptor, no memory, or what a security module says of this one: the next may be taken.
                log.error("a connection was not taken; waiting", metadata: ["reason": "\(errnoText(reason))"])
                usleep(100_000)
            }
        }
    }
}
