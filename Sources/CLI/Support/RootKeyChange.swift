import Glibc
import Store

/// One command at a time changes a store's root key: an advisory lock on the state folder, which dies with its
/// process.
final class RootKeyLock {
    private let folder: OwnedDescriptor

    /// - Returns: nil if another process has it.
    init?(_ state: StateDirectory) throws(Failure) {
        let descriptor = Files.open(state.path, O_RDONLY | O_DIRECTORY)
        guard descriptor >= 0 else { throw Failure(.io, "\(state.path) cannot be opened: \(errnoText())") }
        folder = OwnedDescriptor(descriptor)
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else { return nil }
    }

    /// Does the last step of a replacement that was killed before it, if that is still the case.
    static func finish(_ replacement: RootKeyReplacement, _ options: StateOptions) {
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

/// Changes the root key of a store, and tells the agent.
struct RootKeyChange {
    /// How the store is opened now.
    let current: StateOptions

    /// A new key in the file that has the present one.
    ///
    /// - Parameter kept: where the key before goes; nil for nowhere.
    func replace(_ file: RootKeyFile, keeping kept: String?) throws {
        try locked { () throws in
            // Again, under the lock: nobody is in the middle of this, and the file has the key.
            let sealed = try SealedStore.open(at: current.directory.path)
            let old = HeldRootKey(try file.read())
            guard try sealed.opens(by: old.key) else { throw Self.overtaken }
            if let kept { try RootKeyFile(absolute(kept)).create(old.key) }
            let new = try RootKey.random()
            let replacement = try RootKeyReplacement(of: file)
            try replacement.prepare(new)
            do {
                let store = try sealed.unseal(keeping: old)
                try rotation(store).changeRoot(to: new, .file(path: file.path))
            } catch {
                // The commit may have been made, and the agent not been told: then the new key is the key.
                let isNew = try SealedStore.open(at: current.directory.path).opens(by: new)
                if isNew { try replacement.finish() } else { replacement.discard() }
                throw error
            }
            try replacement.finish()
        }
    }

    /// Another key from another place. Where the present one is, nothing changes.
    func change(_ unlocked: Unlocked, to new: NewRootKey) throws -> RootKeyDescriptor {
        let source = try new.source()
        let key = try new.key(for: source)
        guard let lock = try RootKeyLock(current.directory) else { throw Self.overtaken }
        defer { withExtendedLifetime(lock) {} }
        let store = try unlocked.open()
        try rotation(store).changeRoot(to: key, source)
        return source
    }

    private func locked(_ body: () throws -> Void) throws {
        guard let lock = try RootKeyLock(current.directory) else { throw Self.overtaken }
        defer { withExtendedLifetime(lock) {} }
        try body()
    }

    private func rotation(_ store: SecretStore) throws -> KeyRotation {
        let client = AgentClient(state: try current.directory)
        return try KeyRotation(store) { keyring, root in try client.expect(keyring, root) }
    }

    private static let overtaken = Failure(
        .retry, "another command is changing the root key; nothing was changed", hint: "try again")
}
