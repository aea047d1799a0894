import Foundation
import Synchronization

/// Calls `body` with each item, all at once, each on a thread of its own.
/// - Throws: the first error of any of them, after all have ended.
func inParallel<Item: Sendable>(_ items: [Item], _ body: @escaping @Sendable (Item) throws -> Void) throws {
    let failure = FirstFailure()
    let group = DispatchGroup()
    for item in items {
        group.enter()
        Thread.detachNewThread {
            defer { group.leave() }
            do { try body(item) } catch { failure.note(error) }
        }
    }
    group.wait()
    if let error = failure.error { throw error }
}

private final class FirstFailure: Sendable {
    private let state = Mutex<(any Error)?>(nil)
    var error: (any Error)? { state.withLock { $0 } }
    func note(_ error: any Error) { state.withLock { $0 = $0 ?? error } }
}
