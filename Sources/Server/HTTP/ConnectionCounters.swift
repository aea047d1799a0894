import Synchronization

/// Connections, for the metrics.
final class ConnectionCounters: Sendable {
    private let present = Atomic(0)
    private let slow = Atomic(0)
    private let surplus = Atomic(0)

    func opened() { present.add(1, ordering: .relaxed) }
    func closed() { present.subtract(1, ordering: .relaxed) }
    func refused() { surplus.add(1, ordering: .relaxed) }
    func cutOff() { slow.add(1, ordering: .relaxed) }

    var count: Int { present.load(ordering: .relaxed) }
    /// How many were ended because they took too long.
    var cutOffCount: Int { slow.load(ordering: .relaxed) }
    /// How many were closed because their client had as many as it may.
    var refusedCount: Int { surplus.load(ordering: .relaxed) }
}
