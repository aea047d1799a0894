import ArgumentParser
import Console
import Secrets
import Store

/// Where an external secret's value is; for `secret create` and `secret refer`.
struct OriginOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where the value is kept, or with --from is already. Default: the default provider.",
            valueName: "provider"),
        completion: Completion.providers)
    var provider: String?
    @Option(
        help: ArgumentHelp(
            "What the value is there: it stays there, and is read again and again.", valueName: "reference"))
    var from: String?
    @Option(help: ArgumentHelp("With --from: this version and no newer one.", valueName: "version"))
    var version: String?
    @Option(help: ArgumentHelp("With --from: how often it is asked for (5s to 1d).", valueName: "time"))
    var interval: String?

    /// Where a value that is given is to be kept.
    func writtenTo(in store: SecretStore) throws -> ProviderName {
        let name = try provider.map { try ProviderName($0) } ?? store.defaultProvider()
        // Before a value is asked for.
        if name != .internal { _ = try store.provider(name) }
        return name
    }

    /// Nil if --from is not given.
    func origin(in store: SecretStore) throws -> SecretOrigin? {
        guard let from else {
            guard version == nil, interval == nil else {
                throw Failure(.usage, "--from is missing: what the value is at the provider")
            }
            return nil
        }
        let provider = try provider.map { try ProviderName($0) } ?? store.defaultProvider()
        guard provider != .internal else {
            throw Failure(
                .usage, "--provider is missing: there is no default provider",
                hint: "see secretfs provider list, or choose one: secretfs provider default")
        }
        var pinned: ProviderVersion?
        if let version {
            pinned = ProviderVersion(version)
            guard pinned != nil else {
                throw Failure(.badInput, "--version has other characters than printable ASCII without blanks")
            }
        }
        return SecretOrigin(
            provider: provider, reference: try ProviderReference(from), version: pinned,
            interval: try interval.map {
                try ProviderOptions.seconds($0, "--interval", ExternalProvider.intervals)
            })
    }
}

extension SecretCommand {
    struct Refer: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "refer",
            abstract: "Let an external secret refer to something else.",
            discussion: """
                Mounts show the new value when its provider has given it, and open nothing until then.
                Example:
                  secretfs secret refer nlp/Summarizer DB_PASSWORD --provider vault-prod --from 'secret/data/db#password'
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @OptionGroup var external: OriginOptions

        func run() throws {
            let (home, name) = try subject.parsed()
            let store = try state.openStore()
            guard let origin = try external.origin(in: store) else {
                throw Failure(.usage, "--from is missing", hint: "see secretfs help secret refer")
            }
            try store.refer(name, of: home, to: origin)
            Output.line("\(name) of \(home) is from \(origin.description) now.")
        }
    }
}
