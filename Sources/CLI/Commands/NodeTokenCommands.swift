import ArgumentParser
import Console
import Secrets
import Store

struct NodeTokenCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Tokens, by each of which one machine becomes a node.",
        subcommands: [Create.self, List.self, Delete.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the tokens that were made and not used, by node.")
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        private struct Report: Encodable {
            let node: String
            let allowed: [String]
            let created: String
            let expires: String
        }

        func run() throws {
            let now = Timestamp.now()
            let reports = try state.openStore().enrollments().filter { $0.expires > now }.map {
                Report(
                    node: $0.node.text, allowed: $0.allowed.map(\.description),
                    created: $0.created.description,
                    expires: $0.expires.description)
            }
            if json { return try Output.json(reports) }
            Output.table(
                ["NODE", "EXPIRES", "MAY HAVE"],
                reports.map { [$0.node, $0.expires, $0.allowed.joined(separator: ", ")] })
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete", abstract: "Refuse the tokens for a node from now on.",
            discussion: "Example:\n  secretfs node token delete worker-1")
        @OptionGroup var state: StateOptions
        @Argument(help: "What the node would be called.") var node: String

        func run() throws {
            let name = try NodeName(node)
            let count = try state.openStore().deleteEnrollments(of: name)
            guard count > 0 else {
                throw Failure(
                    .notFound, "there is no token for a node \(name)",
                    hint: "secretfs node token list shows them")
            }
            Output.line("Deleted \(count) token(s) for node \(name).")
        }
    }

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Make a token for one machine, once. It is printed alone on standard output.",
            discussion: """
                The store keeps a hash of it. It also names the server's CA, so that the machine sends it to nobody else.
                Example:
                  secretfs node token create worker-1 --allow 'nlp/*' --expires 30m > token
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "What the node will be called.") var node: String
        @Option(
            help: ArgumentHelp(
                "What it may have: OWNER/NAME, or 'OWNER/*'; may be repeated.", valueName: "algorithm"),
            completion: Completion.grantees)
        var allow: [String] = []
        @Option(help: ArgumentHelp("Refuse the token from then on (\(Moment.forms)).", valueName: "time"))
        var expires = "1h"
        @OptionGroup var policy: NodePolicyOptions

        func run() throws {
            let name = try NodeName(node)
            let allowed = try allow.map { try Grantee($0) }
            let expires = try Moment.parse(expires, of: "--expires")
            guard expires > .now() else {
                throw Failure(.badInput, "--expires is in the past (\(expires)): nobody could use the token")
            }
            let token = try state.openStore().createEnrollment(
                of: name, allowing: allowed, policy: try policy.policy(), expires: expires)
            guard let token else {
                throw Failure(
                    .notFound, "the store has no certificate authority yet",
                    hint: "start the server once: secretfs serve --nodes 0.0.0.0:8444")
            }
            try Output.key("", token, "\n")
            let may = allowed.isEmpty ? "nothing yet" : allowed.map(\.description).joined(separator: ", ")
            Output.note(
                "made a token for node \(name), which may have \(may); it holds once, until \(expires)")
        }
    }
}
