import ArgumentParser
import Console
import FoundationEssentials
import Secrets
import Store

/// Where a root key is to be, besides a file.
struct RootKeyOptions: ParsableArguments {
    @Flag(help: "Derive the root key from a passphrase (scrypt), asked for or from --passphrase-file.")
    var passphrase = false
    @Option(
        help: ArgumentHelp(
            "Take the root key from the systemd credential of this name; --root-key-file names it for this once.",
            valueName: "name"))
    var credential: String?

    func new(_ state: StateOptions) -> NewRootKey {
        NewRootKey(options: state, passphrase: passphrase, credential: credential)
    }
}

/// The root key that a store is to have, as options name it; for `init` and `root-key`.
struct NewRootKey {
    /// `--root-key-file` and `--passphrase-file` mean the new key here.
    let options: StateOptions
    let passphrase: Bool
    let credential: String?

    func check() throws(Failure) {
        guard !passphrase || (credential == nil && options.rootKeyFile == nil) else {
            throw Failure(
                .usage, "a store has one source of its root key",
                hint: "--passphrase, or a file or credential")
        }
        guard passphrase || options.passphraseFile == nil else {
            throw Failure(
                .usage, "--passphrase-file without --passphrase would make a store without a passphrase",
                hint: "add --passphrase")
        }
    }

    func source() throws -> RootKeyDescriptor {
        if let credential { return .credential(name: try RootKeyCredential(credential).name) }
        if passphrase { return .passphrase(try ScryptParameters.new()) }
        let path = try options.rootKeyFile.map(absolute) ?? options.directory.rootKey
        return .file(path: try RootKeyFile(path).path)
    }

    func key(for source: RootKeyDescriptor) throws -> RootKey {
        switch source {
        case .file(let path): return try fileKey(path)
        case .passphrase(let parameters): return try passphraseKey(parameters)
        case .credential(let name):
            if let file = options.rootKeyFile { return try fileKey(absolute(file)) }
            return try RootKeyCredential(name).read(
                in: ProcessInfo.processInfo.environment["CREDENTIALS_DIRECTORY"])
        }
    }

    /// A key that is there is taken, for example one that was put there by provisioning; else a new one is made.
    private func fileKey(_ path: String) throws -> RootKey {
        let file = try RootKeyFile(path)
        let directory = try options.directory
        if path.hasPrefix(directory.path + "/") { try directory.make() }
        guard !Files.exists(path) else { return try file.read() }
        let key = try RootKey.random()
        try file.create(key)
        return key
    }

    private func passphraseKey(_ parameters: ScryptParameters) throws -> RootKey {
        let first = try options.passphrase("New passphrase: ")
        try RootKey.check(newPassphrase: first)
        if options.passphraseFile == nil {
            let second = try options.passphrase("Once more: ")
            guard first.hasSameBytes(as: second) else {
                throw Failure(.badInput, "the two passphrases differ")
            }
        }
        return try RootKey.deriving(from: first, parameters)
    }
}
