import Console
import Store

/// Changes the root key of a store, and tells its agent and its server.
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
        let directory = try current.directory
        return try KeyRotation(store) { keyring, root in
            try AgentClient.expectEverywhere(directory, keyring, root)
        }
    }

    private static let overtaken = Failure(
        .retry, "another command is changing the root key; nothing was changed", hint: "try again")
}
