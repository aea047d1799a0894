import NIOPosix
import Synchronization

/// The threads on which passwords are tried. Each try takes 128 MiB and some tenths of a second of a processor, so there
/// are two at once; who comes when the queue is full is told to come again.
final class PasswordWork: Sendable {
    private static let threads = 2
    /// In work and waiting.
    private static let maximum = 16

    private let pool = NIOThreadPool(numberOfThreads: PasswordWork.threads)
    private let present = Atomic(0)

    init() { pool.start() }

    /// - Throws: `APIError.busy`, or what `body` throws.
    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        guard present.add(1, ordering: .relaxed).newValue <= Self.maximum else {
            present.subtract(1, ordering: .relaxed)
            throw APIError.busy
        }
        defer { present.subtract(1, ordering: .relaxed) }
        return try await pool.runIfActive(body)
    }

    /// After the last request.
    func stop() async { try? await pool.shutdownGracefully() }
}
