import ArgumentParser
import Console
import FoundationEssentials
import Secrets
import Store

struct ProviderCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "provider",
        abstract: "External secret stores, whose secrets algorithms see like the store's own.",
        discussion: """
            Example:
              secretfs provider create vault-prod --kind vault --set vault_addr=https://vault.example.org:8200 \
                --set login=approle --set role_id=5e1f --secret secret_id
              secretfs provider test vault-prod 'secret/data/db#password'
              secretfs secret create nlp/Summarizer DB_PASSWORD --provider vault-prod --from 'secret/data/db#password'
            """,
        subcommands: [
            Create.self, Update.self, List.self, Show.self, Test.self, Default.self, Delete.self,
        ])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract:
                "Connect an external secret store. Its settings are sealed; credentials are never shown.",
            discussion: """
                What can be set depends on the kind: see docs/PROVIDERS.md, or give none and be told.
                Examples:
                  secretfs provider create vault-prod --kind vault --set vault_addr=https://vault:8200 --secret vault_token
                  secretfs provider create vault-prod --kind vault --set vault_addr=https://vault:8200 \
                    --set login=approle --set role_id=5e1f --file secret_id=/root/secret-id --file ca_certificate=ca.pem
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "What it will be called.") var name: String
        @Option(
            help: ArgumentHelp("What it is made by.", valueName: "kind"),
            completion: .list(ProviderKind.allCases.map(\.rawValue)))
        var kind: String
        @OptionGroup var settings: ProviderOptions
        @Flag(help: "New external secrets refer to it unless another provider is named.") var `default` =
            false

        func run() throws {
            let name = try ProviderName(name)
            guard let kind = ProviderKind(rawValue: kind) else {
                throw Failure(
                    .badInput, "--kind is not one that is known",
                    hint: ProviderKind.allCases.map(\.rawValue).joined(separator: ", "))
            }
            let store = try state.openStore()
            var update = try settings.update(of: kind)
            try ProviderOptions.checkComplete(update.set, kind)
            try store.checkIsFree(name)
            update = try ProviderDesk.exchange(update, kind, present: ProviderConfiguration(), of: name)
            try store.createProvider(name, kind, update)
            if `default` { try store.setDefaultProvider(name) }
            Output.line("Created provider \(name).")
            Output.note("hint: see whether it works: secretfs provider test \(name)")
        }
    }

    struct Update: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "update",
            abstract: "Change how an external secret store is reached. An agent that runs uses it at once.",
            discussion: "Example:\n  secretfs provider update vault-prod --secret secret_id --interval 30s")
        @OptionGroup var state: StateOptions
        @Argument(help: "The provider.", completion: Completion.providers) var name: String
        @OptionGroup var settings: ProviderOptions
        @Option(help: ArgumentHelp("Take a setting away; may be repeated.", valueName: "setting"))
        var unset: [String] = []

        func run() throws {
            let name = try ProviderName(name)
            let store = try state.openStore()
            let provider = try store.provider(name)
            var update = try settings.update(of: provider.kind)
            for setting in unset { _ = try ProviderOptions.setting(setting, of: provider.kind) }
            update.unset = Set(unset).subtracting(update.set.values.keys)
            guard !settings.isEmpty || !unset.isEmpty else {
                throw Failure(.usage, "nothing to change", hint: "see secretfs help provider update")
            }
            update = try ProviderDesk.exchange(update, provider.kind, of: name, in: store)
            ProviderReport(try store.updateProvider(name, update, takesAlong: true), isDefault: false).show()
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the external secret stores.")
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let store = try state.openStore()
            let first = try store.defaultProvider()
            let reports = try store.providers().map { ProviderReport($0, isDefault: $0.name == first) }
            json ? try Output.json(reports) : ProviderReport.table(reports)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show one external secret store. Its settings' values are not shown.")
        @OptionGroup var state: StateOptions
        @Argument(help: "The provider.", completion: Completion.providers) var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let store = try state.openStore()
            let provider = try store.provider(try ProviderName(name))
            let report = ProviderReport(provider, isDefault: try store.defaultProvider() == provider.name)
            json ? try Output.json(report) : report.show()
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "test",
            abstract: "Log in to an external secret store, and read one thing there. No value is shown.",
            discussion: "Example:\n  secretfs provider test vault-prod 'secret/data/db#password'")
        @OptionGroup var state: StateOptions
        @Argument(help: "The provider.", completion: Completion.providers) var name: String
        @Argument(help: "What to read there: a reference.") var reference: String?

        func run() throws {
            let name = try ProviderName(name)
            let reference = try reference.map { try ProviderReference($0) }
            let desk = try ProviderDesk(name, of: state.openStore())
            for line in try desk.test(reference) {
                Output.line(printable(line, atMost: 400))
            }
        }
    }

    struct Default: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "default",
            abstract: "Choose the provider that new external secrets refer to if none is named.",
            discussion: "“internal” is the store itself.")
        @OptionGroup var state: StateOptions
        @Argument(help: "The provider.", completion: Completion.providers) var name: String

        func run() throws {
            let name = try ProviderName(name)
            try state.openStore().setDefaultProvider(name)
            Output.line("The default provider is \(name).")
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Forget an external secret store and its credentials. Nothing is changed there.",
            discussion: "Refused as long as secrets refer to it.")
        @OptionGroup var state: StateOptions
        @Argument(help: "The provider.", completion: Completion.providers) var name: String
        @Flag(help: "Do not ask.") var yes = false

        func run() throws {
            let name = try ProviderName(name)
            let store = try state.openStore()
            _ = try store.provider(name)
            try Confirmation.require("Delete provider \(name) and its credentials?", isGiven: yes)
            try store.deleteProvider(name)
            Output.line("Deleted provider \(name).")
        }
    }
}

/// The JSON of `provider list` and `provider show` (docs/CLI.md).
struct ProviderReport: Encodable {
    let name: String
    let id: String
    let kind: String
    let description: String
    let `default`: Bool
    let interval: Int
    let maximumAge: Int
    /// Names only.
    let settings: [String]
    let created: String
    let modified: String

    init(_ provider: ExternalProvider, isDefault: Bool) {
        name = provider.name.text
        id = provider.id.uuidString.lowercased()
        kind = provider.kind.rawValue
        description = provider.about.text
        `default` = isDefault
        interval = Int(provider.interval)
        maximumAge = Int(provider.maximumAge)
        settings = provider.settings
        created = provider.created.description
        modified = provider.modified.description
    }

    func show() {
        Output.line("Name         \(name)")
        Output.line("Kind         \(kind)")
        Output.line("Description  \(description)")
        Output.line("Asked every  \(interval) seconds")
        Output.line("Maximum age  \(maximumAge) seconds")
        Output.line("Settings     \(settings.joined(separator: ", "))")
        Output.line("Created      \(created)")
        Output.line("Modified     \(modified)")
    }

    static func table(_ reports: [ProviderReport]) {
        Output.table(
            ["PROVIDER", "KIND", "DEFAULT", "INTERVAL", "DESCRIPTION"],
            reports.map {
                [$0.name, $0.kind, $0.default ? "yes" : "", "\($0.interval)s", $0.description]
            })
    }
}
