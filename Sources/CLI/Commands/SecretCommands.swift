import ArgumentParser
import Console
import FoundationEssentials
import Secrets
import Store

struct SecretCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Create, update, list, show, roll back and delete secrets.",
        subcommands: [
            Create.self, Update.self, Refer.self, List.self, Show.self, History.self, Rollback.self,
            Destroy.self,
            Delete.self,
        ])

    /// Which secret, in every command but `list`.
    struct Subject: ParsableArguments {
        @Argument(help: "OWNER/NAME, or OWNER for a secret to be granted.", completion: Completion.homes)
        var home: String
        @Argument(help: "The environment variable's name.", completion: Completion.secrets) var name: String

        func parsed() throws -> (SecretHome, EnvironmentName) {
            (try SecretHome(home), try EnvironmentName(name))
        }
    }

    /// Where the value comes from.
    struct Source: ParsableArguments {
        @Option(
            help: ArgumentHelp("Read the value from a file (- is standard input).", valueName: "file"),
            completion: .file())
        var valueFile: String?
        @Flag(help: "Drop one newline at the value's end.") var chomp = false

        func read(_ name: EnvironmentName) throws -> SecretValue {
            try ValueInput.read(path: valueFile, prompt: "Value of \(name): ", chomp: chomp)
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Create a secret. The value is asked for, or read from standard input or a file.",
            discussion: """
                Examples:
                  secretfs secret create nlp/Summarizer MYSQL_PASSWORD --name "MySQL password"
                  printf %s "$(pwgen 32 1)" | secretfs secret create nlp/Summarizer API_TOKEN
                  secretfs secret create nlp/Summarizer TLS_KEY --value-file key.pem --delivery file
                  secretfs secret create nlp/Summarizer DB_PASSWORD --provider vault-prod --from 'secret/data/db#password'
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @OptionGroup var source: Source
        @OptionGroup var external: OriginOptions
        @OptionGroup var validity: ValidityOptions
        @Option(name: .customLong("name"), help: "What people call it. Default: the variable's name.")
        var displayName: String?
        @Option(help: "What it is for.") var description = ""
        @Option(help: "env (file and variable) or file (file only).", completion: .list(["env", "file"]))
        var delivery = "env"
        @Option(
            help: ArgumentHelp("Insist on a name that can make programs run other code.", valueName: "name"))
        var allowName: [String] = []

        func run() throws {
            let (home, name) = try subject.parsed()
            let displayName = try DisplayName(
                self.displayName ?? String(name.text.prefix(DisplayName.maximumCount)))
            let about = try Description(description)
            let delivery = try parsed(delivery: delivery)
            let allowed = try names(allowName)
            let validity = try validity.changed(.always) ?? .always
            let store = try state.openStore()
            if let origin = try external.origin(in: store) {
                guard source.valueFile == nil else {
                    throw Failure(.usage, "--from says where the value is, and --value-file what it is")
                }
                let new = NewSecret(
                    name: name, displayName: displayName, about: about, delivery: delivery,
                    value: try SecretStore.noValue, validity: validity, origin: origin)
                try store.createSecrets([new], of: home, allowing: allowed)
                return Output.line("Created \(name) of \(home): from \(origin.description).")
            }
            let provider = try external.writtenTo(in: store)
            let secret = NewSecret(
                name: name, displayName: displayName, about: about, delivery: delivery,
                value: try source.read(name), validity: validity)
            guard provider == .internal else {
                let made = try ProviderWriter(store).create(secret, of: home, at: provider, allowing: allowed)
                return Output.line(
                    "Created \(name) of \(home): written to \(made.origin?.description ?? "").")
            }
            let made = try store.createSecrets([secret], of: home, allowing: allowed)
            Output.line("Created \(name) of \(home): version 1, \(inBytes(made[0].current.count)).")
        }
    }

    struct Update: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "update",
            abstract: "Replace a secret's value, or change what people call it.",
            discussion: """
                The new value shows in every mount at once. Without --metadata-only the value is asked for, or read \
                from standard input or a file.
                Example:
                  secretfs secret update nlp/Summarizer MYSQL_PASSWORD --value-file new-password
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @OptionGroup var source: Source
        @Option(name: .customLong("name"), help: "What people call it.") var displayName: String?
        @Option(help: "What it is for.") var description: String?
        @Option(help: "env (file and variable) or file (file only).", completion: .list(["env", "file"]))
        var delivery: String?
        @Flag(help: "Keep the value.") var metadataOnly = false
        @OptionGroup var validity: ValidityOptions
        @Option(
            help: ArgumentHelp("How many versions are kept, 1 to 100; the oldest go.", valueName: "count"))
        var keep: Int?
        @Option(help: ArgumentHelp("Only if this is the newest version.", valueName: "version"))
        var ifVersion: UInt32?

        func run() throws {
            let (home, name) = try subject.parsed()
            var update = SecretUpdate(
                displayName: try displayName.map { try DisplayName($0) },
                about: try description.map { try Description($0) },
                delivery: try delivery.map { try parsed(delivery: $0) })
            update.ifVersion = try ifVersion.map { try parsed(version: $0) }
            if metadataOnly {
                guard source.valueFile == nil else {
                    throw Failure(.usage, "--metadata-only keeps the value, --value-file gives a new one")
                }
                guard !update.isEmpty || keep != nil || validity.isGiven else {
                    throw Failure(.usage, "nothing to change", hint: "see secretfs help secret update")
                }
            }
            if let keep, !Secret.keptVersionsRange.contains(keep) {
                throw Failure(.badInput, "\(keep) versions cannot be kept", hint: "--keep 1 to 100")
            }
            update.kept = keep
            let store = try state.openStore()
            // Before a value is asked for: a typing error in the name should not cost a value.
            let present = try store.secret(name, of: home)
            update.validity = try validity.changed(present.validity)
            if !metadataOnly, let origin = present.origin, !origin.isWritten {
                throw StoreError.externalValue(name, origin)
            }
            if !metadataOnly { update.value = try source.read(name) }
            let made = try ProviderWriter(store).update(present, of: home, update)
            let current = made.current
            if let origin = made.origin {
                return Output.line("Updated \(name) of \(home), at \(origin.description).")
            }
            Output.line(
                "Updated \(name) of \(home): version \(current.version), \(inBytes(current.count)).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List an algorithm's secrets, without values.")
        @OptionGroup var state: StateOptions
        @Argument(help: "OWNER/NAME, or OWNER for its secrets to be granted.", completion: Completion.homes)
        var home: String
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let secrets = try state.openStore().secrets(of: SecretHome(home))
            if json { return try Output.json(secrets.map(SecretReport.init)) }
            SecretReport.table(secrets)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show what is known of a secret. The value is never shown.")
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let (home, name) = try subject.parsed()
            let secret = try state.openStore().secret(name, of: home)
            if json { return try Output.json(SecretReport(secret)) }
            let current = secret.current
            for (label, text) in [
                ("Name", secret.name.text), ("Display name", secret.displayName.text),
                ("Description", secret.about.text), ("Belongs to", home.description),
                ("Id", secret.id.uuidString.lowercased()), ("Provider", secret.provider.text),
                ("From", secret.origin.map { $0.description } ?? "-"),
                ("Delivery", secret.delivery.rawValue),
                ("Version", "\(current.version), \(inBytes(current.count)), by \(current.actor)"),
                ("Kept", "\(secret.versions.count) of at most \(secret.kept) versions"),
                ("Not before", secret.validity.notBefore?.description ?? "-"),
                ("Expires", secret.validity.expires?.description ?? "never"),
                ("Granted to", secret.grants.map(\.description).joined(separator: ", ")),
                ("Created", secret.created.description), ("Modified", secret.modified.description),
            ] {
                Output.line(label + String(repeating: " ", count: 14 - label.count) + text)
            }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Delete a secret and all its versions. Cannot be undone.")
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @Flag(help: "Do not ask.") var yes = false

        func run() throws {
            let (home, name) = try subject.parsed()
            let store = try state.openStore()
            let present = try store.secret(name, of: home)
            let also = present.origin.flatMap { $0.isWritten ? ", also at \($0.provider)" : nil } ?? ""
            try Confirmation.require("Delete \(name) of \(home) and all its versions\(also)?", isGiven: yes)
            try ProviderWriter(store).delete(present, of: home)
            Output.line("Deleted \(name) of \(home).")
        }
    }
}

func parsed(delivery: String) throws(Failure) -> Delivery {
    guard let parsed = Delivery(rawValue: delivery) else {
        throw Failure(.badInput, "--delivery is not one that is known", hint: "env or file")
    }
    return parsed
}

/// Names given one by one or with commas between them, as the shim takes them.
func names(_ given: [String]) throws -> Set<EnvironmentName> {
    Set(try given.flatMap { $0.split(separator: ",") }.map { try EnvironmentName(String($0)) })
}
