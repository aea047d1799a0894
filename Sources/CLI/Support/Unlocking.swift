import FoundationEssentials
import Glibc
import Secrets
import Store

extension StateOptions {
    /// The store, unsealed.
    func openStore() throws -> SecretStore {
        let sealed = try SealedStore.open(at: directory.path)
        return try sealed.unseal(by: try rootKey(for: sealed.source))
    }

    /// The root key from where the store says it is; a passphrase is asked for.
    func rootKey(for source: RootKeyDescriptor, isQuiet: Bool = false) throws -> RootKey {
        if passphraseFile != nil, !source.isPassphrase {
            throw Failure(
                .usage, "the store has no passphrase; its root key comes from \(source.summary)",
                hint: "leave --passphrase-file away")
        }
        if let rootKeyFile { return try RootKeyFile(absolute(rootKeyFile)).read() }
        switch source {
        case .file(let path): return try fileKey(path)
        case .credential(let name):
            return try RootKeyCredential(name).read(
                in: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"])
        case .passphrase(let parameters):
            guard !isQuiet || passphraseFile != nil else {
                throw Failure(
                    .sealed, "the store is protected by a passphrase", hint: "give it: --passphrase-file FILE"
                )
            }
            return try RootKey.deriving(from: try passphrase("Passphrase: "), parameters)
        }
    }

    /// A state folder that was moved has its key with it.
    private func fileKey(_ path: String) throws -> RootKey {
        // Also where another store has taken the old place, and has a root key of its own there.
        let beside = try directory.rootKey
        let isMoved = path.hasSuffix("/root.key") && beside != path && Files.exists(beside)
        return try RootKeyFile(isMoved ? beside : path).read()
    }

    /// From `--passphrase-file` without a newline at its end, or from the terminal.
    func passphrase(_ prompt: String) throws -> SecretValue {
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

func absolute(_ path: String) -> String {
    path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
}
