import ArgumentParser
import Console
import Glibc

@main
struct SecretFSCommand: ParsableCommand {
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
        version: CommandProgram.version,
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
                    ProviderCommand.self,
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
            CommandGroup(name: "Server", subcommands: [ServeCommand.self, CACommand.self, NodeCommand.self]),
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
        CommandProgram.fail(error, of: Self.self)
    }
}
