import NIOCore
import NIOPosix
import Synchronization

/// The threads on which requests use the store: few that read, each with a connection of its own, and more that change
/// something, which wait for disks together (`SharedTurn`). Before them is a bounded queue. What comes beyond it is told
/// to come again, instead of waiting until its client has gone.
final class StoreWork: Sendable {
    enum Kind {
        case reading
        case changing
    }
    /// In work and waiting.
    static let maximum = 512
    /// More would only take processors, and locks, from each other.
    static let readers = min(max(2, System.coreCount), 8)
    private static let writers = 24

    private let reading = NIOThreadPool(numberOfThreads: readers)
    private let changing = NIOThreadPool(numberOfThreads: writers)
    private let present = Atomic(0)

    init() {
        reading.start()
        changing.start()
    }

    /// - Throws: `APIError.busy`, or what `body` throws.
    func run<T: Sendable>(_ kind: Kind, _ body: @escaping @Sendable () throws -> T) async throws -> T {
        guard present.add(1, ordering: .relaxed).newValue <= Self.maximum else {
            present.subtract(1, ordering: .relaxed)
            throw APIError.busy
        }
        defer { present.subtract(1, ordering: .relaxed) }
        return try await (kind == .reading ? reading : changing).runIfActive(body)
    }

    /// For those of whom there are few enough, and who wait for their turn: nodes, with one thing to do each.
    func runInTurn<T: Sendable>(_ kind: Kind, _ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await (kind == .reading ? reading : changing).runIfActive(body)
    }

    var count: Int { present.load(ordering: .relaxed) }

    /// After the last request.
    func stop() async {
        try? await reading.shutdownGracefully()
        try? await changing.shutdownGracefully()
    }
}
