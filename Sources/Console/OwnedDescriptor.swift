import Glibc
import Synchronization

/// A file descriptor that is closed with its last owner.
package final class OwnedDescriptor: Sendable {
    private let number: Mutex<Int32>

    package init(_ number: Int32) { self.number = Mutex(number) }
    deinit { closeNow() }

    /// Closes it now.
    package func closeNow() {
        let number = release()
        if number >= 0 { close(number) }
    }

    package var raw: Int32 { number.withLock { $0 } }

    /// The descriptor, now the caller's to close; -1 from here on.
    package func release() -> Int32 {
        number.withLock { number in
            defer { number = -1 }
            return number
        }
    }
}
