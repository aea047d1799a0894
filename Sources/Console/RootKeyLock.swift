import Glibc
package import Store

/// One command at a time changes a store's root key: an advisory lock on the state folder, which dies with its
/// process.
package final class RootKeyLock {
    private let folder: OwnedDescriptor

    /// - Returns: nil if another process has it.
    package init?(_ state: StateDirectory) throws(Failure) {
        let descriptor = Files.open(state.path, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { throw Failure(.io, "\(state.path) cannot be opened: \(errnoText())") }
        folder = OwnedDescriptor(descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
    }

    /// Does the last step of a replacement that was killed before it, if that is still the case.
    package static func finish(_ replacement: RootKeyReplacement, _ options: StateOptions) {
        // Who may not do this can use the store all the same; the next command tries again.
        guard let state = try? options.directory, let lock = try? RootKeyLock(state),
            let sealed = try? SealedStore.open(at: state.path)
        else { return }
        guard !opens(sealed, replacement.file), opens(sealed, replacement.next) else { return }
        try? replacement.finish()
        withExtendedLifetime(lock) {}
    }

    private static func opens(_ sealed: SealedStore, _ file: RootKeyFile) -> Bool {
        guard let key = try? file.read() else { return false }
        return (try? sealed.opens(by: key)) ?? false
    }
}
