import ArgumentParser
import Console
import FoundationEssentials
import Secrets
import Store

struct UserCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "user", abstract: "Users of the server: its API and its web pages, what they may do.",
        subcommands: [
            Create.self, List.self, Show.self, Update.self, SetPassword.self, Delete.self,
        ])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Make a user. The password is asked for, or read from standard input or a file.",
            discussion: """
                Roles: admin (everything), viewer (sees everything, changes nothing), owner:OWNER (everything of an \
                owner), collaborator:OWNER/NAME (the secrets of an algorithm). Without a role a user may do nothing.
                Examples:
                  secretfs user create alice --role admin
                  secretfs user create bob --role owner:nlp --role collaborator:vision/Captions
                  secretfs user create ci --role collaborator:nlp/Summarizer --no-password
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "Small letters, digits, '.', '_' and '-'; a letter first.") var name: String
        @Option(
            help: ArgumentHelp("What the user may do; as often as needed.", valueName: "role"),
            completion: Completion.roles)
        var role: [String] = []
        @OptionGroup var password: PasswordOptions

        func run() throws {
            let name = try UserName(name)
            let roles = try role.map { try Role($0) }
            try password.check()
            let store = try state.openStore()
            // Before a password is asked for: it would be asked for in vain.
            guard try !store.hasUser(name) else { throw StoreError.userExists(name) }
            try RoleText.warn(roles, store)
            let user = try store.createUser(name, roles: roles, password: try password.read(name))
            Output.line("Created user \(name): \(RoleText.list(user.roles)).")
            if roles.isEmpty {
                Output.note("hint: give it a role: secretfs user update \(name) --add-role ROLE")
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the users and their roles.")
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let users = try state.openStore().users()
            if json { return try Output.json(users.map { UserReport($0) }) }
            Output.table(
                ["NAME", "STATE", "PASSWORD", "CREATED", "ROLES"],
                users.map { user in
                    [
                        user.name.text, user.isDisabled ? "disabled" : "enabled",
                        user.hasPassword ? "set" : "none", user.created.description,
                        RoleText.list(user.roles),
                    ]
                })
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show what is known of a user, and the user's API keys. No password, no key.",
            discussion: "Example:\n  secretfs user show alice")
        @OptionGroup var state: StateOptions
        @Argument(help: "The user.", completion: Completion.users) var name: String
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let name = try UserName(name)
            let store = try state.openStore()
            let (user, keys) = (try store.user(name), try store.apiKeys(of: name))
            if json { return try Output.json(UserReport(user, keys)) }
            for (label, text) in [
                ("Name", user.name.text), ("Id", user.id.uuidString.lowercased()),
                ("Roles", RoleText.list(user.roles)), ("Password", user.hasPassword ? "set" : "none"),
                ("State", user.isDisabled ? "disabled" : "enabled"), ("Created", user.created.description),
                ("Modified", user.modified.description), ("API keys", String(keys.count)),
            ] {
                Output.line(label + String(repeating: " ", count: 10 - label.count) + text)
            }
            if !keys.isEmpty { APIKeyReport.table(keys) }
        }
    }

    struct Update: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "update",
            abstract: "Change what a user may do. Holds for the user's next request.",
            discussion: """
                A disabled user is let in by no password, key or session; enabled again, the keys work again, and \
                sessions begin anew.
                Examples:
                  secretfs user update bob --add-role owner:vision --remove-role viewer
                  secretfs user update bob --disable
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "The user.", completion: Completion.users) var name: String
        @Option(
            help: ArgumentHelp("Give this role; as often as needed.", valueName: "role"),
            completion: Completion.roles)
        var addRole: [String] = []
        @Option(
            help: ArgumentHelp("Take this role away; as often as needed.", valueName: "role"),
            completion: Completion.roles)
        var removeRole: [String] = []
        @Flag(help: "Let the user do nothing.") var disable = false
        @Flag(help: "Let a disabled user in again.") var enable = false

        func run() throws {
            let name = try UserName(name)
            let (added, removed) = (try addRole.map { try Role($0) }, try removeRole.map { try Role($0) })
            guard !disable || !enable else {
                throw Failure(.usage, "--disable and --enable contradict each other")
            }
            if let both = added.first(where: removed.contains) {
                throw Failure(.usage, "\(both) is to be given and taken away")
            }
            guard disable || enable || !added.isEmpty || !removed.isEmpty else {
                throw Failure(.usage, "nothing to change", hint: "see secretfs help user update")
            }
            let store = try state.openStore()
            try RoleText.warn(added, store)
            let update = UserUpdate(
                addedRoles: added, removedRoles: removed, isDisabled: disable ? true : enable ? false : nil)
            let user = try store.updateUser(name, update)
            let end = user.isDisabled ? " Disabled." : ""
            Output.line("Updated user \(name): \(RoleText.list(user.roles)).\(end)")
        }
    }

    struct SetPassword: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "password",
            abstract: "Replace a user's password, or take it away. Ends the user's sessions.",
            discussion: """
                API keys stay as they are.
                Examples:
                  secretfs user password alice
                  secretfs user password alice --no-password
                """)
        @OptionGroup var state: StateOptions
        @Argument(help: "The user.", completion: Completion.users) var name: String
        @OptionGroup var password: PasswordOptions

        func run() throws {
            let name = try UserName(name)
            try password.check()
            let store = try state.openStore()
            guard try store.hasUser(name) else { throw StoreError.userMissing(name) }
            let user = try store.setPassword(try password.read(name), of: name)
            Output.line(user.hasPassword ? "\(name) has a new password." : "\(name) has no password.")
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Delete a user, and the user's API keys. Cannot be undone.",
            discussion: "Example:\n  secretfs user delete bob")
        @OptionGroup var state: StateOptions
        @Argument(help: "The user.", completion: Completion.users) var name: String
        @Flag(help: "Do not ask.") var yes = false

        func run() throws {
            let name = try UserName(name)
            let store = try state.openStore()
            guard try store.hasUser(name) else { throw StoreError.userMissing(name) }
            try Confirmation.require("Delete user \(name) with all API keys?", isGiven: yes)
            try store.deleteUser(name)
            Output.line("Deleted user \(name).")
        }
    }
}
