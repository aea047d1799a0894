import Console
import Store
import Synchronization

/// What shows changes, for those parts of an agent that are made before it.
final class Follower: Sendable {
    /// In milliseconds: how long anybody waits until a change shows.
    static let patience = 1800

    private struct Link {
        weak var following: Following?
    }
    private let link = Mutex(Link())

    func follow(_ following: Following) { link.withLock { $0.following = following } }

    /// Returns when the mounts show everything up to `revision`, or open nothing of what they cannot show.
    ///
    /// - Returns: false if that could not be done in time.
    func show(upTo revision: Revision) -> Bool {
        guard let following = link.withLock({ $0.following }) else { return false }
        return following.show(upTo: revision, within: Self.patience)
    }
}
