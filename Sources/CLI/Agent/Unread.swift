import Console
import Dispatch
import Secrets
import Synchronization

/// The algorithms of which something could not be read, each of them tried again with growing pauses until it can be.
final class Unread: Sendable {
    /// In milliseconds.
    private static let shortest = 50
    private static let longest = 5000

    private struct Attempt {
        var pause: Int
        var number: Int
        var reason: String
    }
    private let attempts = Mutex<[AlgorithmName: Attempt]>([:])
    private let queue = DispatchQueue(label: "unread")
    private let action = Mutex<(@Sendable (AlgorithmName) -> Void)?>(nil)

    /// - Parameter action: called on a thread of its own when `name` is to be tried again; adds or removes it.
    func onDue(_ action: @escaping @Sendable (_ name: AlgorithmName) -> Void) {
        self.action.withLock { $0 = action }
    }

    var names: Set<AlgorithmName> { attempts.withLock { Set($0.keys) } }

    /// It was tried once more, in vain.
    ///
    /// - Returns: whether `reason` is news.
    func add(_ name: AlgorithmName, because reason: String) -> Bool {
        let (attempt, isNew) = attempts.withLock { attempts in
            let before = attempts[name]
            let next = Attempt(
                pause: before.map { min($0.pause * 2, Self.longest) } ?? Self.shortest,
                number: (before?.number ?? 0) &+ 1, reason: reason)
            attempts[name] = next
            return (next, before?.reason != reason)
        }
        queue.asyncAfter(deadline: .now() + .milliseconds(attempt.pause)) { [weak self] in
            guard let self else { return }
            // A change may have been a reason to try it earlier.
            let isDue = attempts.withLock { $0[name]?.number == attempt.number }
            if isDue { action.withLock({ $0 })?(name) }
        }
        return isNew
    }

    /// It can be read again, or nobody needs it.
    ///
    /// - Returns: whether it could not be read before.
    @discardableResult
    func remove(_ name: AlgorithmName) -> Bool { attempts.withLock { $0.removeValue(forKey: name) != nil } }
}
