import Glibc

/// One agent, and one server, for one store: an advisory lock that dies with its process.
package final class ProcessLock {
    private let file: OwnedDescriptor

    /// - Returns: nil if another process holds it.
    package init?(_ state: StateDirectory, of who: KeyHolding) throws(Failure) {
        let path = state.lock(of: who)
        let descriptor = Files.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        guard descriptor >= 0 else { throw Failure(.io, "\(path) cannot be opened: \(errnoText())") }
        file = OwnedDescriptor(descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
    }
}
