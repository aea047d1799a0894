import Fuse

/// Threads that were sent to look a name up again (ESTALE), which the kernel does at once and only once.
struct OpenRetries {
    private struct Retry {
        let name: String
        /// The inode that the name had; a lookup after that finds it or a later one.
        let oldest: NodeID
        let until: ContinuousClock.Instant
    }
    private var retries: [Int32: Retry] = [:]
    private static let maximumCount = 1024
    /// Long for a retry on a machine that is short of processors, and short for whoever keeps one for later: two
    /// descriptors with O_PATH make one.
    private static let life: Duration = .seconds(1)

    /// Remembers that `thread` looks `name` up again, which leads to `node` now.
    mutating func begin(
        _ thread: Int32, _ name: String, from node: NodeID, at now: ContinuousClock.Instant = .now
    ) {
        // Only threads that died, or whose name was deleted meanwhile, leave something here.
        if retries.count >= Self.maximumCount { retries = retries.filter { $0.value.until > now } }
        if retries.count >= Self.maximumCount { retries.removeAll() }
        retries[thread] = Retry(name: name, oldest: node, until: now + Self.life)
    }

    /// Whether `thread` opens `node` because it was sent to look `name` up again. That counts once.
    mutating func end(
        _ thread: Int32, _ name: String, with node: NodeID,
        at now: @autoclosure () -> ContinuousClock.Instant = .now
    ) -> Bool {
        guard let retry = retries.removeValue(forKey: thread) else { return false }
        return retry.name == name && node.rawValue >= retry.oldest.rawValue && now() < retry.until
    }
}
