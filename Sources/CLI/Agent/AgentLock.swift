import Console
import Glibc

/// One agent for one store: an advisory lock that dies with its process.
final class AgentLock {
    private let file: OwnedDescriptor

    /// - Returns: nil if another agent holds it.
    init?(_ state: StateDirectory) throws(Failure) {
        let descriptor = Files.open(state.lock, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        guard descriptor >= 0 else { throw Failure(.io, "\(state.lock) cannot be opened: \(errnoText())") }
        file = OwnedDescriptor(descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
    }
}
