import ArgumentParser
import Console
import Secrets
import Store

struct RootKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "root-key",
        abstract: "Change the key that seals the keyring: a new one, or another source.",
        subcommands: [Rotate.self, Change.self])

    /// How the store is opened before the change; --root-key-file and --passphrase-file are for the key after it.
    struct CurrentOptions: ParsableArguments {
        @Option(
            help: ArgumentHelp("Open the store with this root key file for the change.", valueName: "file"))
        var currentRootKeyFile: String?
        @Option(
            help: ArgumentHelp(
                "Read the present passphrase from a file (- is standard input).", valueName: "file"))
        var currentPassphraseFile: String?

        func options(_ state: StateOptions) -> StateOptions {
            var options = state
            options.rootKeyFile = currentRootKeyFile
            options.passphraseFile = currentPassphraseFile
            return options
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Make a new root key at the same source.",
            discussion: """
                A file is replaced in one step; killed anywhere, the store opens with what is there. Backups made \
                before need the key that they were made with: --keep-old saves it. A passphrase is asked for. A \
                systemd credential cannot be written: --root-key-file says where the new key is made, or is. \
                If the root key has leaked, rotate the data key too: secretfs key rotate.
                Examples:
                  secretfs root-key rotate --keep-old /mnt/safe/root.key.2026
                  secretfs root-key rotate --current-passphrase-file old --passphrase-file new
                  secretfs root-key rotate --root-key-file new.key
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var current: CurrentOptions
        @Option(help: ArgumentHelp("Save the present key of a key file in this new file.", valueName: "file"))
        var keepOld: String?
        @Flag(help: "Do not ask.") var yes = false

        func run() throws {
            let options = current.options(state)
            let unlocked = try options.unlock()
            let change = RootKeyChange(current: options)
            if case .file = unlocked.sealed.source {
                guard let file = unlocked.file else { throw StoreError.keyring(.wrongRootKey) }
                return try rotate(file, change)
            }
            guard keepOld == nil else {
                throw Failure(.usage, "--keep-old is for a root key in a file")
            }
            let new: NewRootKey
            switch unlocked.sealed.source {
            case .credential(let name):
                guard state.rootKeyFile != nil else {
                    throw Failure(
                        .usage, "a systemd credential cannot be written from here",
                        hint: "--root-key-file FILE says where its new key is made, for systemd-creds encrypt"
                    )
                }
                new = NewRootKey(options: state, passphrase: false, credential: name)
            case .passphrase, .file: new = NewRootKey(options: state, passphrase: true, credential: nil)
            }
            try new.check()
            let source = try change.change(unlocked, to: new)
            Output.line("The store has a new root key, from \(source.summary).")
            if case .credential(let name) = source, let file = state.rootKeyFile.map(absolute) {
                Self.tell(of: file, as: name)
            }
        }

        /// The store has the new key, and systemd still hands out the old one.
        private static func tell(of file: String, as name: String) {
            let file = printable(file, atMost: 4096)
            for line in [
                "From now on commands and the agent need \(file) as that credential:",
                "  systemd-creds encrypt --name=\(name) \(file) /etc/credstore.encrypted/\(name)",
                "  and in the unit: LoadCredentialEncrypted=\(name):/etc/credstore.encrypted/\(name)",
                "  (or LoadCredential=\(name):\(file)), then restart what has the old one.",
                "The old key opens nothing any more but backups made before: keep it as long as there are any.",
            ] { Output.line(line) }
        }

        private func rotate(_ file: RootKeyFile, _ change: RootKeyChange) throws {
            try NewRootKey(options: state, passphrase: false, credential: nil).check()
            guard state.rootKeyFile == nil else {
                throw Failure(
                    .usage, "the new key takes the place of \(printable(file.path))",
                    hint: "for another file: secretfs root-key change --root-key-file FILE")
            }
            if keepOld == nil {
                try Confirmation.require(
                    "Replace \(printable(file.path))? Backups made before need the key that is in it now.",
                    isGiven: yes)
            }
            try change.replace(file, keeping: keepOld)
            let path = printable(file.path)
            Output.line("\(path) has a new root key: keep a copy apart from the store's backups.")
        }
    }

    struct Change: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "change",
            abstract: "Take the root key from another source: a file, a passphrase or a systemd credential.",
            discussion: """
                The options are those of init; the key before stays where it is, and opens older backups.
                Examples:
                  secretfs root-key change --root-key-file /etc/secretfs/root.key
                  secretfs root-key change --passphrase
                  secretfs root-key change --credential secretfs-root-key --root-key-file root.key
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var current: CurrentOptions
        @OptionGroup var rootKey: RootKeyOptions

        func run() throws {
            let new = rootKey.new(state)
            try new.check()
            guard new.passphrase || new.credential != nil || state.rootKeyFile != nil else {
                throw Failure(
                    .usage, "where should the root key be?",
                    hint: "--root-key-file FILE, --passphrase or --credential NAME")
            }
            let options = current.options(state)
            let unlocked = try options.unlock()
            let before = unlocked.sealed.source
            if new.credential == nil, let file = unlocked.file, file.path == state.rootKeyFile.map(absolute),
                before == .file(path: file.path)
            {
                throw Failure(
                    .usage, "the root key is in \(printable(file.path)) already",
                    hint: "a new key in the same file: secretfs root-key rotate")
            }
            let source = try RootKeyChange(current: options).change(unlocked, to: new)
            Output.line("The root key comes from \(source.summary) now.")
            Output.line("Backups made before open with the key before, from \(before.summary).")
        }
    }
}
