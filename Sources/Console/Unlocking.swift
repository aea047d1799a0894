import FoundationEssentials
import Glibc
package import Secrets
package import Store

/// A store, and the root key that opens it.
package struct Unlocked {
    package let sealed: SealedStore
    package let root: HeldRootKey
    /// The file that has the key, if it is in one.
    package let file: RootKeyFile?

    /// The store for a command: it keeps the root key.
    package func open() throws(StoreError) -> SecretStore { try sealed.unseal(keeping: root) }
}

extension StateOptions {
    /// The store, unsealed, for as long as a command runs. What it changes is shown when the command returns.
    ///
    /// - Parameter alsoOfNode: whether it may be a node's: there is nothing in it but the node's keys and its audit log.
    /// - Throws: `StoreError.isNode`.
    package func openStore(alsoOfNode: Bool = false) throws -> SecretStore {
        let store = try unlock().open()
        if !alsoOfNode { try store.checkIsNoNode() }
        ChangesShown.expect(of: store, in: try directory)
        return store
    }

    /// Finds the root key where the store says it is; a passphrase is asked for.
    ///
    /// - Parameter isQuiet: ask for nothing.
    package func unlock(isQuiet: Bool = false) throws -> Unlocked {
        let path = try directory.path
        var sealed = try SealedStore.open(at: path)
        for _ in 0..<Self.attempts {
            for source in try keySources(sealed.source) {
                guard let root = try source.key(self, isQuiet), try sealed.opens(by: root) else { continue }
                if let next = source.replacement { RootKeyLock.finish(next, self) }
                return Unlocked(sealed: sealed, root: HeldRootKey(root), file: source.file)
            }
            // A key may have been changed between reading the store and reading the key.
            let again = try SealedStore.open(at: path)
            guard again.keyring != sealed.keyring else { break }
            sealed = again
        }
        throw StoreError.keyring(.wrongRootKey)
    }
    private static let attempts = 5

    /// Where the key may be, the likeliest first.
    private func keySources(_ source: RootKeyDescriptor) throws -> [KeySource] {
        if passphraseFile != nil, !source.isPassphrase {
            throw Failure(
                .usage, "the store has no passphrase; its root key comes from \(source.summary)",
                hint: "leave --passphrase-file away")
        }
        if let rootKeyFile { return try KeySource.files(absolute(rootKeyFile)) }
        switch source {
        case .file(let path):
            // A state folder that was moved has its key with it, also where another store has taken the old place, and
            // has a root key of its own there.
            let beside = try directory.rootKey
            let mayBeMoved = path.hasSuffix("/root.key") && beside != path && Files.exists(beside)
            guard mayBeMoved else { return try KeySource.files(path) }
            return try KeySource.files(beside) + (Files.exists(path) ? KeySource.files(path) : [])
        case .credential(let name): return [.credential(try RootKeyCredential(name))]
        case .passphrase(let parameters): return [.passphrase(parameters)]
        }
    }

    /// The root key of a backup, which nobody uses as a store yet: asks for nothing, and finishes no change of keys.
    package func rootKey(of backup: SealedStore) throws -> RootKey {
        for source in try keySources(backup.source) {
            guard let root = try source.key(self, true), try backup.opens(by: root) else { continue }
            return root
        }
        throw StoreError.keyring(.wrongRootKey)
    }

    /// From `--passphrase-file` without a newline at its end, or from the terminal.
    package func passphrase(_ prompt: String) throws -> SecretValue {
        if let passphraseFile {
            return try ValueInput.chomped(try ValueInput.contents(of: passphraseFile, maximum: 4096))
        }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Failure(
                .sealed, "the store is protected by a passphrase, and there is no terminal to ask on",
                hint: "give it: --passphrase-file FILE (- is standard input)")
        }
        return try ValueInput.prompted(prompt)
    }
}

private enum KeySource {
    case file(RootKeyFile)
    /// The file in which a new key waits to take the place of the one before.
    case next(RootKeyReplacement)
    case credential(RootKeyCredential)
    case passphrase(ScryptParameters)

    static func files(_ path: String) throws -> [KeySource] {
        let file = try RootKeyFile(path)
        guard let replacement = try? RootKeyReplacement(of: file) else { return [.file(file)] }
        return [.file(file), .next(replacement)]
    }

    var replacement: RootKeyReplacement? {
        if case .next(let replacement) = self { replacement } else { nil }
    }
    var file: RootKeyFile? {
        switch self {
        case .file(let file): file
        case .next(let replacement): replacement.file
        case .credential, .passphrase: nil
        }
    }

    func key(_ options: StateOptions, _ isQuiet: Bool) throws -> RootKey? {
        switch self {
        case .file(let file): return try file.read()
        case .next(let replacement):
            // Mostly there is none.
            guard Files.exists(replacement.next.path) else { return nil }
            return try replacement.next.read()
        case .credential(let credential):
            return try credential.read(in: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"])
        case .passphrase(let parameters):
            guard !isQuiet || options.passphraseFile != nil else {
                throw Failure(
                    .sealed, "the store is protected by a passphrase", hint: "give it: --passphrase-file FILE"
                )
            }
            return try RootKey.deriving(from: try options.passphrase("Passphrase: "), parameters)
        }
    }
}

package func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
}
