import ArgumentParser
import Console
import Glibc
import Secrets
import Store

extension AuditCommand {
    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "verify",
            abstract: "Check that no line of the audit log was changed, removed, reordered or added.",
            discussion: """
                Names the first line that is wrong, and exits with status 70. Also compares the log with what the \
                store knows of it, so that a log that was cut or replaced by an older one is noticed.
                Example:
                  secretfs audit verify --json
                """)
        @OptionGroup var state: StateOptions
        @Flag(help: "Print JSON.") var json = false

        private struct Report: Encodable {
            struct Problem: Encodable {
                let file: String
                let line: Int
                let kind: String
                let reason: String
            }
            let whole: Bool
            let records: UInt64
            let first: UInt64?
            let last: UInt64?
            let problem: Problem?
            let notes: [String]
        }

        func run() throws {
            let verdict = try state.openStore(alsoOfNode: true).verifyAudit()
            if json {
                try Output.json(
                    Report(
                        whole: verdict.problem == nil, records: verdict.records, first: verdict.first,
                        last: verdict.last,
                        problem: verdict.problem.map {
                            .init(file: $0.file, line: $0.line, kind: $0.kind.rawValue, reason: $0.reason)
                        }, notes: verdict.notes))
            } else if let first = verdict.first, let last = verdict.last {
                Output.line("\(verdict.records) line(s) hold, from \(first) to \(last).")
            }
            if !json { for note in verdict.notes { Output.line("Note: \(note).") } }
            guard let problem = verdict.problem else {
                if !json { Output.line("The audit log is whole.") }
                return
            }
            throw Failure(
                .damaged, "\(problem.file) line \(problem.line): \(problem.kind.rawValue): \(problem.reason)",
                hint: "what stands before it holds; keep a copy of the files before anything else is done")
        }
    }

    struct Unused: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "unused",
            abstract: "List the secrets that nobody has opened for some days.",
            discussion: "Example:\n  secretfs audit unused --days 30")
        @OptionGroup var state: StateOptions
        @Option(help: "How many days.") var days: Int64 = 90
        @Flag(help: "Print JSON.") var json = false

        private struct Report: Encodable {
            let home: String
            let name: String
            let created: String
            let lastRead: String?
        }

        func validate() throws {
            guard (0...100_000).contains(days) else { throw ValidationError("--days must be 0 to 100000") }
        }

        func run() throws {
            let now = Timestamp.now()
            let moment = Timestamp(seconds: now.seconds - days * 86_400, nanoseconds: now.nanoseconds)
            let found = try state.openStore(alsoOfNode: true).unusedSecrets(since: moment)
            if json {
                try Output.json(
                    found.secrets.map {
                        Report(
                            home: $0.home.description, name: $0.secret.name.text,
                            created: $0.secret.created.description, lastRead: $0.lastRead?.description)
                    })
            } else {
                Output.table(
                    ["BELONGS TO", "NAME", "CREATED", "LAST READ"],
                    found.secrets.map {
                        [
                            $0.home.description, $0.secret.name.text, $0.secret.created.description,
                            $0.lastRead?.description ?? "never, as far as is known",
                        ]
                    })
            }
            if found.knownSince.map({ moment < $0 }) ?? true {
                Output.note(
                    "the log begins \(found.knownSince?.description ?? "now"): earlier reads are not known")
            }
        }
    }

    struct Settings: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "settings",
            abstract: "Show or change how the audit log is kept.",
            discussion: """
                batch: what the agent records is on the disk within a second; a power cut can lose that second. \
                always: before anything is released, which costs each open a wait for the disk. The oldest file \
                beyond --keep is deleted, with its lines; 0 keeps the present file only.
                Examples:
                  secretfs audit settings
                  secretfs audit settings --audit-sync always --keep 100
                """)
        @OptionGroup var state: StateOptions
        @Option(help: "batch or always.", completion: .list(["batch", "always"])) var auditSync: String?
        @Option(help: "Begin a new file when one has so many MiB.") var maxMib: Int?
        @Option(help: "Keep so many older files.") var keep: Int?
        @Flag(help: "Print JSON.") var json = false

        private struct Report: Encodable {
            let sync: String
            let maximumSize: Int
            let keep: Int
        }

        func run() throws {
            let store = try state.openStore(alsoOfNode: true)
            var settings = try store.auditSettings()
            let before = settings
            if let auditSync {
                guard let sync = AuditSettings.Sync(rawValue: auditSync) else {
                    throw Failure(
                        .badInput, "“\(printable(auditSync))” is not a way to sync", hint: "batch or always")
                }
                settings.sync = sync
            }
            if let maxMib {
                guard (1...(1 << 20)).contains(maxMib) else {
                    throw Failure(.badInput, "--max-mib must be 1 to 1048576")
                }
                settings.maximumCount = maxMib << 20
            }
            if let keep {
                guard AuditSettings.keptCounts.contains(keep) else {
                    throw Failure(.badInput, "--keep must be 0 to \(AuditSettings.keptCounts.upperBound)")
                }
                settings.kept = keep
                if keep == 0 {
                    Output.note(
                        "warning: with --keep 0 all lines of a file are deleted when it is full or rotated")
                }
            }
            if settings != before { try store.setAuditSettings(settings) }
            if json {
                return try Output.json(
                    Report(
                        sync: settings.sync.rawValue, maximumSize: settings.maximumCount, keep: settings.kept)
                )
            }
            Output.line("Sync          \(settings.sync.rawValue)")
            Output.line("Maximum size  \(settings.maximumCount) bytes a file")
            Output.line("Keep          \(settings.kept) older file(s)")
        }
    }
}
