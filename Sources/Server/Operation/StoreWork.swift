import NIOPosix
import Synchronization

/// The threads on which requests use the store, which waits for disks: few, with a bounded queue before them. What comes
/// beyond it is told to come again, instead of waiting until its client has gone.
final class StoreWork: Sendable {
    /// In work and waiting.
    static let maximum = 512
    private static let threads = 8

    private let pool: NIOThreadPool
    private let present = Atomic(0)

    init() {
        pool = NIOThreadPool(numberOfThreads: Self.threads)
        pool.start()
    }

    /// - Throws: `APIError.busy`, or what `body` throws.
    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        guard present.add(1, ordering: .relaxed).newValue <= Self.maximum else {
            present.subtract(1, ordering: .relaxed)
            throw APIError.busy
        }
        defer { present.subtract(1, ordering: .relaxed) }
        return try await pool.runIfActive(body)
    }

    var count: Int { present.load(ordering: .relaxed) }

    /// After the last request.
    func stop() async { try? await pool.shutdownGracefully() }
}
