import ArgumentParser
import Console
import Secrets
import Store

struct APIKeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "api-key", abstract: "Make, list and revoke the keys by which programs use the API.",
        subcommands: [Create.self, List.self, Revoke.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Make an API key for a user. It is printed this once, alone on standard output.",
            discussion: """
                The store keeps a hash of it. Whoever has the key may do what its user may, until it expires or is \
                revoked.
                Examples:
                  secretfs api-key create ci --label "build server" --expires 90d
                  secretfs api-key create alice --read-only > key
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "Whose key it is.", completion: Completion.users) var user: String
        @Option(help: "What people call it.") var label = ""
        @Option(help: ArgumentHelp("Refuse it from then on (\(Moment.forms)).", valueName: "time"))
        var expires: String?
        @Flag(help: "It changes nothing, whatever its user may do.") var readOnly = false
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let user = try UserName(user)
            let label = try KeyLabel(label)
            let expires = try expires.map { try Moment.parse($0, of: "--expires") }
            if let expires, expires <= .now() {
                throw Failure(.badInput, "--expires is in the past (\(expires)): the key would let nobody in")
            }
            let store = try state.openStore()
            let made = try store.createAPIKey(
                for: user, label: label, expires: expires, isReadOnly: readOnly)
            do throws(Failure) {
                try show(made.text, APIKeyReport(made.key))
            } catch {
                // Nobody has it, and nobody can have it again.
                try store.revokeAPIKey(made.key.id)
                throw Failure(error.status, "\(error.message); it was revoked", hint: error.hint)
            }
            let end = expires.map { ", until \($0)" } ?? ""
            Output.note(
                "made API key \(made.key.id) of \(user)\(readOnly ? ", read only" : "")\(end); it is not shown again"
            )
        }

        private func show(_ key: SecretValue, _ report: APIKeyReport) throws(Failure) {
            guard json else { return try Output.key("", key, "\n") }
            // The report is an object with members: the key becomes its first one. It needs no escapes.
            let members = try Output.jsonText(report).dropFirst()
            try Output.key("{\n  \"key\" : \"", key, "\"," + members + "\n")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "List API keys: whose they are and until when. Never the keys.")
        @OptionGroup var state: StateOptions
        @Argument(help: "Only those of this user.", completion: Completion.users) var user: String?
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let keys = try state.openStore().apiKeys(of: try user.map { try UserName($0) })
            if json { return try Output.json(keys.map(APIKeyReport.init)) }
            APIKeyReport.table(keys)
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke",
            abstract: "Refuse an API key from now on. Cannot be undone.",
            discussion: "Example:\n  secretfs api-key revoke ab2cd3ef4g")
        @OptionGroup var state: StateOptions
        @Argument(
            help: "The key's ID: what stands between the first two underscores of its text.",
            completion: Completion.apiKeys)
        var id: String

        func run() throws {
            let id = try APIKeyID(id)
            try state.openStore().revokeAPIKey(id)
            Output.line("Revoked API key \(id).")
        }
    }
}
