import ArgumentParser
import Console
import Glibc
import Secrets
import Store

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Show and check the record of who opened and changed what.",
        subcommands: [Show.self, Verify.self, Unused.self, Rotate.self, Settings.self],
        defaultSubcommand: Show.self)

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Show the audit log, the newest line last. Does not check it: secretfs audit verify.",
            discussion: """
                Needs no key. Examples:
                  secretfs audit --limit 20
                  secretfs audit --algorithm nlp/Summarizer --action open --since 24h
                  secretfs audit --outcome denied
                  secretfs audit --follow --json
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var filter: AuditFilter
        @Option(help: "Only the last so many lines.") var limit: Int?
        @Flag(help: "Go on showing what is written, until it is interrupted.") var follow = false
        @Flag(help: "Print one JSON object a line, as the log has it.") var json = false

        func validate() throws {
            guard limit.map((0...1_000_000_000).contains) ?? true else {
                throw ValidationError("--limit must be 0 to 1000000000")
            }
        }

        func run() throws {
            let filter = try filter.parsed()
            let reader = AuditReader(at: try stateFolder(state))
            var newest: UInt64 = 0
            var held: [String] = []
            var foreign = 0
            let isWhole = try reader.forEach { _, _, bytes, record in
                guard let record else {
                    foreign += 1
                    return true
                }
                newest = max(newest, record.sequence)
                guard filter.takes(record) else { return true }
                guard let limit else {
                    Output.line(text(bytes, record))
                    return true
                }
                held.append(text(bytes, record))
                if held.count >= 2 * limit + 1000 { held.removeFirst(held.count - limit) }
                return true
            }
            for line in held.suffix(limit ?? 0) { Output.line(line) }
            if foreign > 0 {
                Output.note(
                    "\(foreign) line(s) are not of the audit log and not shown: secretfs audit verify")
            }
            if !isWhole {
                Output.note(
                    "warning: audit.log is not there; what was in it is not shown: secretfs audit verify")
            }
            guard follow else { return }
            try reader.follow(after: newest) { bytes, record in
                if let record, filter.takes(record) { Output.line(text(bytes, record)) }
                return true
            }
        }

        private func text(_ bytes: [UInt8], _ record: AuditRecord) -> String {
            // Printable ASCII, or it would not have been taken apart.
            json ? String(decoding: bytes, as: UTF8.self) : record.forPeople
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Begin a new file now; the present one becomes audit.log.1.")
        @OptionGroup var state: StateOptions

        func run() throws {
            let store = try state.openStore(alsoOfNode: true)
            try store.trail.record([AuditEvent(.auditRotate, by: .thisProcess)])
            try store.rotateAudit()
            Output.line("Moved the audit log aside; it goes on in a new file.")
        }
    }
}

/// The state folder, for commands that need no store.
func stateFolder(_ state: StateOptions) throws(Failure) -> String {
    let directory = try state.directory
    guard Files.exists(directory.store) else {
        throw Failure(StorageError.missing(path: directory.path))
    }
    return directory.path
}

/// Which lines are shown.
struct AuditFilter: ParsableArguments {
    @Option(help: "Only of this algorithm (OWNER/NAME), or of this owner's shared secrets (OWNER).")
    var algorithm: String?
    @Option(help: "Only about the secret of this name.") var secret: String?
    @Option(help: ArgumentHelp("Only what this user did, name or number.", valueName: "user"))
    var actor: String?
    @Option(help: "Only what this user of the API did.", completion: Completion.users) var user: String?
    @Option(
        help: ArgumentHelp("Only from this moment on: a date, a time, or 24h, 90d ago.", valueName: "moment"))
    var since: String?
    @Option(help: ArgumentHelp("Only before this moment.", valueName: "moment")) var until: String?
    @Option(
        help: "Only this action, for example open, environ, secret.update, mount.",
        completion: .list(AuditAction.allCases.map(\.rawValue)))
    var action: String?
    @Option(help: "Only what came to this: ok, denied or failed.") var outcome: AuditEvent.Outcome?

    struct Parsed {
        var home: SecretHome?
        var secret: EnvironmentName?
        var actor: UInt32?
        var user: UserName?
        var since: Timestamp?
        var until: Timestamp?
        var action: AuditAction?
        var outcome: AuditEvent.Outcome?

        func takes(_ record: AuditRecord) -> Bool {
            if let home, home.description != record.texts[.algorithm] ?? record.texts[.owner] { return false }
            if let secret, secret.text != record.texts[.secret] { return false }
            if let actor, UInt64(actor) != record.numbers[.uid] { return false }
            if let user, user.text != record.texts[.user] { return false }
            if let since, record.time < since { return false }
            if let until, record.time >= until { return false }
            if let action, action.rawValue != record.texts[.action] { return false }
            if let outcome, outcome.rawValue != record.texts[.outcome] { return false }
            return true
        }
    }

    func parsed() throws -> Parsed {
        let known = try action.map { text in
            guard let action = AuditAction(rawValue: text) else {
                throw Failure(
                    .badInput, "“\(printable(text))” is not an action",
                    hint: AuditAction.allCases.map(\.rawValue).joined(separator: ", "))
            }
            return action
        }
        return Parsed(
            home: try algorithm.map { try SecretHome($0) },
            secret: try secret.map { try EnvironmentName($0) },
            actor: try actor.map { try CallerText.user($0) },
            user: try user.map { try UserName($0) },
            since: try since.map { try Moment.past($0, of: "--since") },
            until: try until.map { try Moment.past($0, of: "--until") }, action: known, outcome: outcome)
    }
}

extension AuditEvent.Outcome: ExpressibleByArgument {}

extension AuditRecord {
    /// One line for a terminal, whatever the log says.
    var forPeople: String {
        var parts = [time.description, "#\(sequence)"]
        parts.append(self[.uid].map { "uid \($0)" } ?? self[.user].map { "user \(printable($0))" } ?? "-")
        parts.append(printable(self[.action] ?? "-"))
        if let outcome = self[.outcome], outcome != "ok" { parts.append(printable(outcome).uppercased()) }
        if let home = self[.algorithm] ?? self[.owner] { parts.append(printable(home)) }
        if let secret = self[.secret] { parts.append(printable(secret)) }
        if let version = self[.version] { parts.append("version \(version)") }
        if let generation = self[.generation] { parts.append("generation \(generation)") }
        if let entries = self[.entries] { parts.append("\(entries) entries") }
        if let detail = self[.detail] { parts.append("(\(printable(detail)))") }
        if let program = self[.executable] { parts.append("by \(printable(program))") }
        // What a rule may have asked for.
        if self[.outcome] == AuditEvent.Outcome.denied.rawValue {
            if let gid = self[.gid] { parts.append("gid \(gid)") }
            if let cgroup = self[.cgroup] { parts.append("cgroup \(printable(cgroup))") }
        }
        if let process = self[.pid] { parts.append("pid \(process)") }
        return parts.joined(separator: "  ")
    }
}

extension Moment {
    /// As `parse`, but a number of days, hours or minutes is so long ago.
    static func past(_ text: String, of option: String) throws(Failure) -> Timestamp {
        let now = Timestamp.now()
        let moment = try parse(text, of: option, now: now)
        guard ["d", "h", "m"].contains(text.last) else { return moment }
        return Timestamp(
            seconds: now.seconds - (moment.seconds - now.seconds), nanoseconds: now.nanoseconds)
    }
}
