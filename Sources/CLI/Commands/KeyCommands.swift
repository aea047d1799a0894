import ArgumentParser
import Console
import Glibc
import Secrets
import Store

struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Look at the data keys, which seal every record, and rotate them.",
        subcommands: [Status.self, Rotate.self])

    struct Status: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "status",
            abstract: "Show the data keys: state, age, and how many records each seals.",
            discussion: """
                Warns of a key that is too old or has sealed too much, and of a rotation that did not end.
                Example:
                  secretfs key status --max-age 180
                """)
        @OptionGroup var state: StateOptions
        @Option(help: ArgumentHelp("Warn of an active key older than this.", valueName: "days"))
        var maxAge = KeyPolicy.defaultMaximumDays
        @Flag(help: "Print JSON.") var json = false

        func validate() throws {
            guard maxAge >= 0 else { throw ValidationError("--max-age must be 0 or more") }
        }

        func run() throws {
            let unlocked = try state.unlock(isQuiet: false)
            let source = unlocked.sealed.source
            let usage = try unlocked.open().keyUsage()
            let warnings = KeyPolicy(maximumDays: maxAge).warnings(about: usage, at: .now())
            let report = KeyReport(usage, source, warnings)
            if json { return try Output.json(report) }
            report.show()
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rotate",
            abstract: "Make a new data key, and seal every record by it.",
            discussion: """
                New writes use the new key at once. All other records are sealed anew while the store is in use; then \
                the old key is destroyed. Killed in between, the store is whole: --resume, or the next rotation, does \
                the rest. Whoever has an old data key and an old copy of the store can read that copy for ever: after \
                a leak, replace the values too.
                Examples:
                  secretfs key rotate
                  secretfs key rotate --resume
                """)
        @OptionGroup var state: StateOptions
        @Flag(help: "Make no new key; finish a rotation that did not end.") var resume = false
        @Flag(help: "Leave keys that seal nothing any more in the keyring.") var keepOld = false

        func run() throws {
            let store = try state.openStore(alsoOfNode: true)
            let directory = try state.directory
            let rotation = try KeyRotation(store) { keyring, root in
                try AgentClient.expectEverywhere(directory, keyring, root)
            }
            if !resume { try rotation.addKey() }
            let usage = try store.keyUsage()
            guard let active = usage.active else { throw StoreError.keyring(.corrupt) }
            if !resume { Output.line("Data key \(active) is active: new writes use it.") }
            var progress = Progress(total: usage.left)
            let (outcome, retired) = try rotation.resealAll { progress.add($0) }
            progress.end()
            Output.line("Sealed \(outcome.resealed) record(s) anew.\(progress.rate(outcome.resealed))")
            let removed = keepOld ? [] : try rotation.removeRetired(after: outcome, retired)
            for id in removed { Output.line("Destroyed data key \(id).") }
            try report(outcome)
        }

        private func report(_ outcome: KeyRotation.Outcome) throws {
            guard outcome.damagedCount > 0 else { return }
            let names = outcome.damaged.prefix(5).map(printable).joined(separator: ", ")
            throw Failure(
                .damaged,
                "\(outcome.damagedCount) record(s) do not open and were left as they are: \(names)",
                hint: "restore them from a backup, or delete them; then secretfs key rotate --resume")
        }
    }
}

/// The JSON of `key status` (docs/CLI.md).
private struct KeyReport: Encodable {
    struct Key: Encodable {
        let id: String
        let state: String
        let created: String
        let ageDays: Int
        let records: Int
    }
    struct Warning: Encodable {
        let kind: String
        let text: String
    }
    let generation: UInt32
    let rootKey: String
    let keys: [Key]
    /// Records that a rotation has still to seal anew.
    let left: Int
    /// Records of keys that are not there, or of no form.
    let unreadable: Int
    let warnings: [Warning]

    init(_ usage: KeyUsage, _ source: RootKeyDescriptor, _ warnings: [KeyWarning]) {
        let now = Timestamp.now()
        generation = usage.generation
        rootKey = source.wholeSummary
        keys = usage.keys.map { key in
            Key(
                id: key.id.description, state: key.state == .active ? "active" : "retired",
                created: key.created.description, ageDays: KeyPolicy.days(from: key.created, to: now),
                records: usage.records[key.id] ?? 0)
        }
        left = usage.left
        unreadable = usage.unknown + usage.malformed
        self.warnings = warnings.map { Warning(kind: $0.kind, text: $0.description) }
    }

    func show() {
        Output.line("Root key    \(rootKey)")
        Output.line("Generation  \(generation)")
        Output.line("Left        \(left) record(s) to seal anew")
        Output.table(
            ["KEY", "STATE", "RECORDS", "DAYS", "CREATED"],
            keys.map { [$0.id, $0.state, String($0.records), String($0.ageDays), $0.created] })
        for warning in warnings { Output.line("warning: \(warning.text)") }
    }
}

/// How far a long command is, on a terminal.
private struct Progress {
    private let total: Int
    private var done = 0
    private let isShown = isatty(STDERR_FILENO) == 1
    private let start = ContinuousClock.now

    init(total: Int) { self.total = total }

    mutating func add(_ count: Int) {
        done += count
        // More than were there at first: others wrote by the old key until they noticed the new one.
        if isShown { Output.prompt("\r\(done) of \(max(total, done)) records sealed anew") }
    }

    func end() {
        if isShown, done > 0 { Output.prompt("\n") }
    }

    /// Of `count` records, where it says something.
    func rate(_ count: Int) -> String {
        let milliseconds = Int((ContinuousClock.now - start) / .milliseconds(1))
        guard count >= 10_000, milliseconds > 0 else { return "" }
        let tenths = milliseconds / 100
        return " That took \(tenths / 10).\(tenths % 10) s: \(count * 1000 / milliseconds) a second."
    }
}
