import ArgumentParser
import Console
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
    @OptionGroup var rootKey: RootKeyOptions

    func run() throws {
        let directory = try state.directory
        let new = rootKey.new(state)
        try new.check()
        guard try !SealedStore.exists(at: directory.path) else {
            throw StoreError.exists(path: directory.path)
        }
        let source = try new.source()
        _ = try SealedStore.create(at: directory.path, source: source, root: try new.key(for: source))
        Output.line("Made a store in \(directory.path).")
        switch source {
        case .file(let path):
            Output.line("Its root key is \(path): keep a copy apart from the store's backups.")
        case .passphrase: Output.line("It opens with the passphrase only: keep that safe.")
        case .credential(let name): Output.line("It opens with the systemd credential \(name).")
        }
    }
}
