import ArgumentParser
import Console
import FoundationEssentials
import Glibc
import Secrets
import Store

struct MountersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mounters", abstract: "Show or change which users may mount and run an algorithm.",
        discussion: """
            Besides root and the agent's own user. Such a user mounts and runs this algorithm and no other, gets what \
            the rules about callers give, and changes nothing. Who is removed loses the mounts at once.
            Examples:
              secretfs mounters nlp/Summarizer
              secretfs mounters nlp/Summarizer --add alice,1001
              secretfs mounters nlp/Summarizer --remove alice
            """)
    @OptionGroup var state: StateOptions
    @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String
    @Option(help: ArgumentHelp("List these users, names or numbers (A,B).", valueName: "users"))
    var add: [String] = []
    @Option(help: ArgumentHelp("Take these users off the list (A,B).", valueName: "users"))
    var remove: [String] = []
    @Flag(help: "Print JSON.") var json = false

    private struct Report: Encodable {
        let algorithm: String
        let uids: [UInt32]
    }

    func run() throws {
        let name = try AlgorithmName(algorithm)
        let (added, removed) = (try UserText.users(add), try UserText.users(remove))
        let store = try state.openStore()
        let users =
            added.isEmpty && removed.isEmpty
            ? try store.mounters(of: name)
            : try store.changeMounters(of: name, adding: added, removing: removed)
        if json { return try Output.json(Report(algorithm: name.description, uids: users.uids)) }
        UserText.show(users, "\(name): root and the agent's user may mount it")
    }
}

struct AdminCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin", abstract: "List who may have the admin mount, and change that list.",
        subcommands: [Add.self, Remove.self, List.self])

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Let users mount the store for administration.",
            discussion: """
                They may change everything in the store that an admin mount changes, and grant secrets to algorithms \
                that they may run.
                Example:
                  secretfs admin add alice
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "Users, names or numbers.") var users: [String]

        func run() throws {
            let users = try UserText.users(users)
            AdminCommand.show(try state.openStore().changeAdministrators(adding: users, removing: []))
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "remove",
            abstract: "Take users off the list; their admin mounts end at once.",
            discussion: "Example:\n  secretfs admin remove alice")
        @OptionGroup var state: StateOptions
        @Argument(help: "Users, names or numbers.") var users: [String]

        func run() throws {
            let users = try UserText.users(users)
            AdminCommand.show(try state.openStore().changeAdministrators(adding: [], removing: users))
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list",
            abstract: "Show who may mount the store for administration.")
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        private struct Report: Encodable { let uids: [UInt32] }

        func run() throws {
            let users = try state.openStore().administrators()
            if json { return try Output.json(Report(uids: users.uids)) }
            AdminCommand.show(users)
        }
    }

    private static func show(_ users: UserList) {
        UserText.show(users, "root and the agent's user may mount the store for administration")
    }
}

/// Users as they are written on the command line.
enum UserText {
    /// Names or numbers, several in one with commas.
    static func users(_ given: [String]) throws(Failure) -> [UInt32] {
        var uids: [UInt32] = []
        for text in given {
            for name in text.split(separator: ",", omittingEmptySubsequences: false) {
                uids.append(try CallerText.user(String(name)))
            }
        }
        return uids
    }

    static func show(_ users: UserList, _ fact: String) {
        Output.line(users.uids.isEmpty ? "\(fact), and nobody else." : "\(fact), and")
        for uid in users.uids { Output.line("  \(uid)" + (name(uid).map { "  \(printable($0))" } ?? "")) }
    }

    private static func name(_ uid: UInt32) -> String? {
        unsafe getpwuid(uid).map { unsafe String(cString: $0.pointee.pw_name) }
    }
}
