import CLinux
import Console
import Dispatch
import Glibc
import Secrets
import Synchronization

/// Tells when a validity begins or ends in what is mounted: then there is something else to show, though nobody
/// changed the store. Follows the wall clock, also when it is set.
final class ViewAlarm: Sendable {
    private struct State {
        var moments: [AlgorithmName: Timestamp] = [:]
        /// When it looks next.
        var armed: Timestamp?
    }
    private let state = Mutex(State())
    private let queue = DispatchQueue(label: "validity")
    private let onDue: @Sendable (Set<AlgorithmName>) -> Void
    /// It looks this often anyway, in seconds, so that nothing waits for years in a queue.
    private static let longestWait: Int64 = 3600

    /// - Parameter onDue: called on a thread of the alarm's own; sets the next moment of each name it gets.
    init(onDue: @escaping @Sendable (Set<AlgorithmName>) -> Void) { self.onDue = onDue }

    /// - Parameter moment: nil: nothing will begin or end.
    func set(_ name: AlgorithmName, _ moment: Timestamp?) {
        state.withLock { $0.moments[name] = moment }
        arm()
    }

    private func arm() {
        let next = state.withLock { state -> Timestamp? in
            guard let first = state.moments.values.min() else { return nil }
            let latest = Timestamp(seconds: Timestamp.now().seconds + Self.longestWait, nanoseconds: 0)
            let next = min(first, latest)
            if let armed = state.armed, armed <= next { return nil }
            state.armed = next
            return next
        }
        guard let next else { return }
        let time = timespec(tv_sec: Int(clamping: next.seconds), tv_nsec: Int(next.nanoseconds))
        queue.asyncAfter(wallDeadline: DispatchWallTime(timespec: time)) { [weak self] in self?.ring(next) }
    }

    private func ring(_ armed: Timestamp) {
        let due = takeDue(armed)
        if !due.isEmpty { onDue(due) }
        arm()
    }

    /// What stays due, because it could not be read, comes again in a second.
    private func takeDue(_ armed: Timestamp) -> Set<AlgorithmName> {
        let now = Timestamp.now()
        let again = Timestamp(seconds: now.seconds + 1, nanoseconds: now.nanoseconds)
        return state.withLock { state in
            if state.armed == armed { state.armed = nil }
            let due = Set(state.moments.filter { $0.value <= now }.keys)
            for name in due { state.moments[name] = again }
            return due
        }
    }
}
