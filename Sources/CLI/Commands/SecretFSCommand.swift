import ArgumentParser
import Fuse
import Glibc
import Secrets
import Store

@main
struct SecretFSCommand: ParsableCommand {
    static let version = "0.1.0"
    static let configuration = CommandConfiguration(
        commandName: "secretfs",
        abstract: "Secrets as files and environment variables, sealed everywhere else.",
        discussion: """
            Examples:
              secretfs init
              secretfs algorithm create nlp/Summarizer
              secretfs secret create nlp/Summarizer MYSQL_PASSWORD
              secretfs run nlp/Summarizer -- python3 algorithm.py
            """,
        version: version,
        groupedSubcommands: [
            CommandGroup(
                name: "Store",
                subcommands: [
                    InitCommand.self, StatusCommand.self, DoctorCommand.self, BackupCommand.self,
                    RestoreCommand.self, AuditCommand.self,
                ]),
            CommandGroup(
                name: "Secrets",
                subcommands: [
                    AlgorithmCommand.self, SecretCommand.self, ImportCommand.self, CallersCommand.self,
                ]),
            CommandGroup(
                name: "Visibility",
                subcommands: [GrantCommand.self, RevokeCommand.self, VisibleCommand.self]),
            CommandGroup(
                name: "Users",
                subcommands: [
                    UserCommand.self, APIKeyCommand.self, MountersCommand.self, AdminCommand.self,
                ]),
            CommandGroup(
                name: "Keys",
                subcommands: [
                    KeyCommand.self, RootKeyCommand.self, SealCommand.self, UnsealCommand.self,
                ]),
            CommandGroup(
                name: "Use",
                subcommands: [
                    RunCommand.self, MountCommand.self, UnmountCommand.self, MountsCommand.self,
                    AgentCommand.self,
                ]),
        ])

    /// Exit statuses and the form of messages are an interface: docs/CLI.md.
    static func main() {
        Hygiene.protectProcess()
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch {
            // What it did before it failed.
            ChangesShown.wait()
            fail(error)
        }
        ChangesShown.wait()
    }

    private static func fail(_ error: any Error) -> Never {
        // A person who presses Tab has asked nothing yet.
        if Completion.isAskedFor, exitCode(for: error) != .success { Glibc.exit(0) }
        if let failure = failure(for: error) {
            Output.note("error: \(failure.message)")
            if let hint = failure.hint { Output.note("hint: \(hint)") }
            Glibc.exit(failure.status.rawValue)
        }
        guard exitCode(for: error) != .success, !(error is ExitCode) else { exit(withError: error) }
        if let unknown = UnknownSubcommand(in: CommandLine.arguments.dropFirst(), of: Self.self) {
            fail(unknown.failure)
        }
        Output.note("error: \(withoutGiven(message(for: error)))")
        Output.note("hint: secretfs --help, or secretfs help COMMAND")
        Glibc.exit(ExitStatus.usage.rawValue)
    }

    /// The parser's message without what was given on the command line: somebody may have typed a value there.
    /// What looks like the name of a long option stays.
    private static func withoutGiven(_ message: String) -> String {
        var given: [String] = []
        for word in CommandLine.arguments.dropFirst() {
            let name = String(word.prefix { $0 != "=" })
            let isOption = name.wholeMatch(of: /--[a-z]+(-[a-z]+)*/) != nil
            given.append(isOption ? String(word.dropFirst(name.count + 1)) : word)
        }
        // The longest first: one word may be a part of another.
        return given.filter { !$0.isEmpty }.sorted { $0.count > $1.count }.reduce(message) { text, word in
            // A letter or two would also be found inside the message's own words.
            let (found, shown) = word.count > 2 ? (word, "…") : ("'\(word)'", "'…'")
            return text.split(separator: found, omittingEmptySubsequences: false).joined(separator: shown)
        }
    }

    /// Nil for what the argument parser throws.
    private static func failure(for error: any Error) -> Failure? {
        switch error {
        case is Failure, is StoreError, is AuditError, is NameError, is SecretMemoryError, is RootKeyError,
            is MountError,
            is UnmountError:
            Failure(any: error)
        default: nil
        }
    }
}
