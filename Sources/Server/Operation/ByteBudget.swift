import Synchronization

/// How many bytes of bodies may be in memory at one moment.
final class ByteBudget: Sendable {
    private let maximum: Int
    private let used = Atomic(0)

    init(_ maximum: Int) { self.maximum = maximum }

    /// - Returns: false if there is no room for them; then nothing is taken.
    func take(_ count: Int) -> Bool {
        guard used.add(count, ordering: .relaxed).newValue > maximum else { return true }
        used.subtract(count, ordering: .relaxed)
        return false
    }

    func giveBack(_ count: Int) { used.subtract(count, ordering: .relaxed) }
}
