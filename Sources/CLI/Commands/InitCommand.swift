import ArgumentParser
import Glibc
import Secrets
import Store

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Make a store.",
        discussion: """
            By default its root key is a new file, root.key, in the state folder. Keep a copy of the key where the \
            store's backups are not: without it nothing in the store can be opened, by anybody.
            Examples:
              secretfs init
              secretfs init --root-key-file /etc/secretfs/root.key
              secretfs init --passphrase
              secretfs init --credential secretfs-root-key --root-key-file root.key
            """)
    @OptionGroup var state: StateOptions
    @Flag(help: "Derive the root key from a passphrase (scrypt), asked for or from --passphrase-file.")
    var passphrase = false
    @Option(
        help: ArgumentHelp(
            "Take the root key from the systemd credential of this name; --root-key-file names it for this once.",
            valueName: "name"))
    var credential: String?

    func run() throws {
        let directory = try state.directory
        guard !passphrase || (credential == nil && state.rootKeyFile == nil) else {
            throw Failure(
                .usage, "a store has one source of its root key",
                hint: "--passphrase, or a file or credential")
        }
        guard passphrase || state.passphraseFile == nil else {
            throw Failure(
                .usage, "--passphrase-file without --passphrase would make a store without a passphrase",
                hint: "add --passphrase")
        }
        guard try !SealedStore.exists(at: directory.path) else {
            throw StoreError.exists(path: directory.path)
        }
        let source = try source(directory)
        switch source {
        case .file(let path):
            try create(directory, source, try fileKey(path, directory))
        case .passphrase(let parameters):
            try create(directory, source, try newPassphraseKey(parameters))
        case .credential:
            if let file = state.rootKeyFile {
                try create(directory, source, try fileKey(absolute(file), directory))
            } else {
                try create(directory, source, try state.rootKey(for: source))
            }
        }
    }

    private func source(_ directory: StateDirectory) throws -> RootKeyDescriptor {
        if let credential { return .credential(name: try RootKeyCredential(credential).name) }
        if passphrase { return .passphrase(try ScryptParameters.new()) }
        return .file(path: try RootKeyFile(state.rootKeyFile.map(absolute) ?? directory.rootKey).path)
    }

    private func create(_ directory: StateDirectory, _ source: RootKeyDescriptor, _ root: borrowing RootKey)
        throws
    {
        _ = try SealedStore.create(at: directory.path, source: source, root: root)
        Output.line("Made a store in \(directory.path).")
        switch source {
        case .file(let path):
            Output.line("Its root key is \(path): keep a copy apart from the store's backups.")
        case .passphrase: Output.line("It opens with the passphrase only: keep that safe.")
        case .credential(let name): Output.line("It opens with the systemd credential \(name).")
        }
    }

    /// A key that is there is taken, for example one that was put there by provisioning; else a new one is made.
    private func fileKey(_ path: String, _ directory: StateDirectory) throws -> RootKey {
        let file = try RootKeyFile(path)
        if path.hasPrefix(directory.path + "/") { try directory.make() }
        guard !Files.exists(path) else { return try file.read() }
        let key = try RootKey.random()
        try file.create(key)
        return key
    }

    private func newPassphraseKey(_ parameters: ScryptParameters) throws -> RootKey {
        let first = try state.passphrase("New passphrase: ")
        try RootKey.check(newPassphrase: first)
        if state.passphraseFile == nil {
            let second = try state.passphrase("Once more: ")
            guard first.hasSameBytes(as: second) else {
                throw Failure(.badInput, "the two passphrases differ")
            }
        }
        return try RootKey.deriving(from: first, parameters)
    }
}
