import ArgumentParser
import Console
import FoundationEssentials
import Secrets
import Store

struct NodeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node",
        abstract: "Machines that have an algorithm's secrets from this store's server.",
        discussion: """
            On the server:
              secretfs serve --nodes 0.0.0.0:8444 --name secrets.example.org
              secretfs node token create worker-1 --allow 'nlp/*' > token
            On the other machine:
              secretfs node enroll --server https://secrets.example.org:8444 --token-file token
              secretfs run nlp/Summarizer -- python3 algorithm.py
            """,
        subcommands: [
            NodeTokenCommand.self, NodeEnrollCommand.self, List.self, Show.self, Allow.self, Disallow.self,
            SetCommand.self, Revoke.self, Delete.self,
        ])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List nodes and what they may have.")
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let nodes = try state.openStore().nodes()
            if json { return try Output.json(nodes.map(NodeReport.init)) }
            NodeReport.table(nodes)
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show one node.")
        @OptionGroup var state: StateOptions
        @Argument(help: "The node.", completion: Completion.nodes) var node: String
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let report = NodeReport(try state.openStore().node(try NodeName(node)))
            json ? try Output.json(report) : report.show()
        }
    }

    struct Allow: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "allow",
            abstract: "Let a node have algorithms.",
            discussion: "Example:\n  secretfs node allow worker-1 'nlp/*' vision/Detector")
        @OptionGroup var change: NodeAlgorithms
        func run() throws { try change.run { NodeUpdate(allowing: $0) } }
    }

    struct Disallow: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "disallow",
            abstract: "Take algorithms from a node. Its mounts of them open nothing any more.",
            discussion: "It is taken back as it was given: 'nlp/*', not each of its algorithms.")
        @OptionGroup var change: NodeAlgorithms
        func run() throws { try change.run { NodeUpdate(disallowing: $0) } }
    }

    struct SetCommand: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Change how a node goes on without the server.",
            discussion:
                "Examples:\n  secretfs node set worker-1 --max-stale 1h\n  secretfs node set worker-1 --keep")
        @OptionGroup var state: StateOptions
        @Argument(help: "The node.", completion: Completion.nodes) var node: String
        @OptionGroup var policy: NodePolicyOptions

        func validate() throws {
            guard policy.maxStale != nil || policy.keep != nil else {
                throw ValidationError("nothing to change: --max-stale, --keep or --no-keep")
            }
        }

        func run() throws {
            let update = NodeUpdate(maximumStale: try policy.seconds, keeps: policy.keep)
            NodeReport(try state.openStore().updateNode(try NodeName(node), update)).show()
        }
    }

    struct Revoke: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke",
            abstract: "Refuse a node from now on. Cannot be undone.",
            discussion: """
                Its connection ends at once, and its mounts open nothing any more. A node that is cut off goes on until \
                --max-stale is over: what it was sent, it has. Replace values that it should not know.
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "The node.", completion: Completion.nodes) var node: String

        func run() throws {
            let name = try NodeName(node)
            try state.openStore().updateNode(name, NodeUpdate(revokes: true))
            Output.line("Revoked node \(name).")
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Revoke a node and forget it. Another may be enrolled under its name then.")
        @OptionGroup var state: StateOptions
        @Argument(help: "The node.", completion: Completion.nodes) var node: String

        func run() throws {
            let name = try NodeName(node)
            try state.openStore().deleteNode(name)
            Output.line("Deleted node \(name).")
        }
    }
}

/// A node and algorithms.
struct NodeAlgorithms: ParsableArguments {
    @OptionGroup var state: StateOptions
    @Argument(help: "The node.", completion: Completion.nodes) var node: String
    @Argument(help: "OWNER/NAME, or 'OWNER/*' for all of an owner.", completion: Completion.grantees)
    var algorithms: [String]

    func run(_ update: ([Grantee]) -> NodeUpdate) throws {
        let name = try NodeName(node)
        let algorithms = try algorithms.map { try Grantee($0) }
        NodeReport(try state.openStore().updateNode(name, update(algorithms))).show()
    }
}

struct NodePolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How long it opens what the server has not confirmed (30m, 12h; at most 30d; 0m: not at all). A new node: 24h.",
            valueName: "time"))
    var maxStale: String?
    @Flag(
        inversion: .prefixedNo,
        help:
            "Whether it keeps what it has, sealed, in its state folder: its agent can start without the server."
    )
    var keep: Bool?

    /// Nil if it is not given.
    var seconds: UInt32? {
        get throws(Failure) {
            guard let maxStale else { return nil }
            guard let seconds = Moment.seconds(maxStale), seconds <= Int64(NodePolicy.maximumStale) else {
                throw Failure(
                    .badInput, "--max-stale is not a time of at most 30 days", hint: "for example 24h")
            }
            return UInt32(seconds)
        }
    }

    /// Of a new node.
    func policy() throws(Failure) -> NodePolicy {
        NodePolicy(maximumStale: try seconds ?? NodePolicy.defaultStale, keeps: keep ?? false)
    }
}

/// The JSON of `node list` and `node show` (docs/CLI.md).
struct NodeReport: Encodable {
    let name: String
    let id: String
    let allowed: [String]
    let revoked: Bool
    let maxStale: Int
    let keeps: Bool
    let certificates: [String]
    let created: String
    let modified: String

    init(_ node: Node) {
        name = node.name.text
        id = node.id.uuidString.lowercased()
        allowed = node.allowed.map(\.description)
        revoked = node.isRevoked
        maxStale = Int(node.policy.maximumStale)
        keeps = node.policy.keeps
        certificates = node.certificates.map(hexadecimal)
        created = node.created.description
        modified = node.modified.description
    }

    private var may: String {
        revoked ? "revoked" : allowed.isEmpty ? "nothing" : allowed.joined(separator: " ")
    }

    func show() {
        Output.line("Node       \(name)")
        Output.line("May have   \(may)")
        Output.line("Max stale  \(maxStale) seconds")
        Output.line("Keeps      \(keeps ? "what it has, sealed, across its own restart" : "nothing")")
        Output.line("Created    \(created)")
        Output.line("Modified   \(modified)")
    }

    static func table(_ nodes: [Node]) {
        Output.table(
            ["NODE", "MAY HAVE", "CREATED"],
            nodes.map { node in
                let report = NodeReport(node)
                return [report.name, report.may, report.created]
            })
    }
}
