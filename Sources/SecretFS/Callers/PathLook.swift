import CLinux
import Dispatch
import Fuse
import Glibc
import Secrets
import Synchronization

/// Finds out which file a path of this machine leads to, for a thread that must not wait: the file system that has it may
/// never answer. What the kernel knows already is told at once, and that is so for nearly every program that runs.
final class PathLook: Sendable {
    /// How long somebody waits, in milliseconds.
    private static let patience = 100
    /// For so long nobody waits for a path that took longer, in seconds.
    private static let rest: Duration = .seconds(5)
    /// Threads that wait for an answer.
    private static let maximumWaiting = 8

    private struct State {
        var waiting = 0
        /// Paths that took too long, and until when they are not looked at.
        var slow: [String: ContinuousClock.Instant] = [:]
    }
    private let state = Mutex(State())

    /// Nil where there is none.
    func file(at path: String) throws(CallerUnknown) -> FileIdentity? {
        let descriptor = unsafe linux_open_cached(path)
        if descriptor >= 0 {
            defer { close(descriptor) }
            return FileIdentity(descriptor: descriptor)
        }
        if errno == ENOENT || errno == ENOTDIR { return nil }
        return try fileOnDisk(at: path)
    }

    /// Walks the path on a thread of its own.
    private func fileOnDisk(at path: String) throws(CallerUnknown) -> FileIdentity? {
        let mayWait = state.withLock { state in
            let now = ContinuousClock.now
            state.slow = state.slow.filter { $0.value > now }
            guard state.slow[path] == nil, state.waiting < Self.maximumWaiting else { return false }
            state.waiting += 1
            return true
        }
        guard mayWait else { throw Self.noAnswer }
        let found = Answer()
        found.isAwaited.enter()
        do {
            try Thread(named: "path") { [self] in
                found.file.withLock { $0 = .some(FileIdentity(path)) }
                state.withLock { $0.waiting -= 1 }
                found.isAwaited.leave()
            }.detach()
        } catch {
            state.withLock { $0.waiting -= 1 }
            found.isAwaited.leave()
            throw CallerUnknown("no thread: \(error)")
        }
        guard found.isAwaited.wait(timeout: .now() + .milliseconds(Self.patience)) == .success else {
            state.withLock { $0.slow[path] = .now + Self.rest }
            throw Self.noAnswer
        }
        return found.file.withLock { $0 } ?? nil
    }

    private static let noAnswer = CallerUnknown(
        "the file system of the program that the rule names does not answer")

    private final class Answer: Sendable {
        let isAwaited = DispatchGroup()
        let file = Mutex<FileIdentity??>(nil)
    }
}
