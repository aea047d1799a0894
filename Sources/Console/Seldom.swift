import Dispatch
import Synchronization

/// Lets each message of one mount into the log once a minute: who may read a mount may not fill the disk.
package final class Seldom: Sendable {
    private static let interval: UInt64 = 60_000_000_000
    private static let maximumMessages = 1000
    private let last = Mutex<[String: UInt64]>([:])

    package init() {}

    package func allows(_ message: String) -> Bool {
        let now = DispatchTime.now().uptimeNanoseconds
        return last.withLock { last in
            if let before = last[message], now - before < Self.interval { return false }
            if last.count >= Self.maximumMessages { last.removeAll() }
            last[message] = now
            return true
        }
    }
}
