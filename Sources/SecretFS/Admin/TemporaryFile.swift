import Fuse
import Secrets
import Synchronization

/// A plain file that a program keeps beside those of a secret: what an editor or rsync writes before it renames it
/// over `value`. It lives in memory of this mount only, like a value.
final class TemporaryFile: Hashable, Sendable {
    /// In one mount: how many, and how long one may be, in bytes.
    static let maximumFiles = 64
    static let maximumCount = SecretValue.maximumCount

    let buffer = SecretBuffer()
    private struct State: Sendable {
        var opens = 0
        var isGone = false
        var modified = Timestamp.now()
    }
    private let state = Mutex(State())

    var isGone: Bool { state.withLock { $0.isGone } }
    var modified: Timestamp { state.withLock { $0.modified } }

    func touch() { state.withLock { $0.modified = .now() } }

    func open() { state.withLock { $0.opens += 1 } }

    func close() {
        let isLast = state.withLock { state in
            state.opens -= 1
            return state.isGone && state.opens == 0
        }
        if isLast { buffer.clear() }
    }

    /// It has no name any more: wiped now, or when the last program closes it.
    func remove() {
        let isClosed = state.withLock { state in
            state.isGone = true
            return state.opens == 0
        }
        if isClosed { buffer.clear() }
    }

    static func == (left: TemporaryFile, right: TemporaryFile) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
