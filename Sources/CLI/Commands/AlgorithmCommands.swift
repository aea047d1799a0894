import ArgumentParser
import Console
import FoundationEssentials
import Secrets
import Store

struct AlgorithmCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "algorithm", abstract: "Create, list, show and delete algorithms.",
        subcommands: [Create.self, List.self, Show.self, Delete.self])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Create an algorithm, to which secrets can then be given.",
            discussion: "Example:\n  secretfs algorithm create nlp/Summarizer")
        @OptionGroup var state: StateOptions
        @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String

        func run() throws {
            let name = try AlgorithmName(algorithm)
            try state.openStore().createAlgorithm(name)
            Output.line("Created algorithm \(name).")
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List all algorithms.")
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let algorithms = try state.openStore().algorithms()
            if json { return try Output.json(algorithms.map(AlgorithmReport.init)) }
            Output.table(
                ["ALGORITHM", "CREATED"], algorithms.map { [$0.name.description, $0.created.description] })
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show an algorithm and its secrets, without values.",
            discussion: "Example:\n  secretfs algorithm show nlp/Summarizer --json")
        @OptionGroup var state: StateOptions
        @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let (algorithm, secrets) = try state.openStore().algorithm(AlgorithmName(algorithm))
            if json { return try Output.json(AlgorithmReport(algorithm, secrets)) }
            Output.line("Algorithm  \(algorithm.name)")
            Output.line("Id         \(algorithm.id.uuidString.lowercased())")
            Output.line("Created    \(algorithm.created)")
            Output.line("Secrets    \(secrets.count)")
            if !secrets.isEmpty { SecretReport.table(secrets) }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Delete an algorithm, its secrets and all their versions. Cannot be undone.")
        @OptionGroup var state: StateOptions
        @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String
        @Flag(help: "Do not ask.") var yes = false

        func run() throws {
            let name = try AlgorithmName(algorithm)
            let store = try state.openStore()
            let count = try store.algorithm(name).1.count
            try Confirmation.require("Delete \(name) and its \(count) secret(s)?", isGiven: yes)
            try ProviderWriter(store).delete(name)
            Output.line("Deleted algorithm \(name) and \(count) secret(s).")
        }
    }
}
