import ArgumentParser
import Console
import Secrets
import Store

extension SecretCommand {
    struct History: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "history",
            abstract: "List the kept versions of a secret: who made each, and when. Never the values.",
            discussion: "Example:\n  secretfs secret history nlp/Summarizer MYSQL_PASSWORD")
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @Flag(help: "Print JSON.") var json = false

        func run() throws {
            let (home, name) = try subject.parsed()
            let report = SecretReport(try state.openStore().secret(name, of: home))
            if json { return try Output.json(report.versions) }
            Output.table(
                ["VERSION", "BYTES", "MADE", "BY"],
                report.versions.reversed().map { version in
                    let mark = version.version == report.version ? " (newest)" : ""
                    return ["\(version.version)\(mark)", String(version.size), version.created, version.by]
                })
        }
    }

    struct Rollback: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rollback",
            abstract: "Make the value of an older version the newest one. Nobody sees it.",
            discussion: """
                This makes a new version with the old bytes; no version is lost by it.
                Example:
                  secretfs secret rollback nlp/Summarizer MYSQL_PASSWORD --to 3
                """)
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @Option(help: ArgumentHelp("The version whose value comes back.", valueName: "version")) var to:
            UInt32

        func run() throws {
            let (home, name) = try subject.parsed()
            let old = try parsed(version: to)
            let made = try state.openStore().rollBack(name, of: home, to: old)
            Output.line("Rolled back \(name) of \(home): version \(made.current.version) is version \(old).")
        }
    }

    struct Destroy: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "destroy",
            abstract: "Delete the value of an older version. Cannot be undone.",
            discussion: "Example:\n  secretfs secret destroy nlp/Summarizer MYSQL_PASSWORD --version 2")
        @OptionGroup var state: StateOptions
        @OptionGroup var subject: Subject
        @Option(help: "Which; not the newest.") var version: UInt32
        @Flag(help: "Do not ask.") var yes = false

        func run() throws {
            let (home, name) = try subject.parsed()
            let version = try parsed(version: version)
            let store = try state.openStore()
            _ = try store.secret(name, of: home)
            try Confirmation.require("Destroy version \(version) of \(name) of \(home)?", isGiven: yes)
            try store.destroy(version, of: name, in: home)
            Output.line("Destroyed version \(version) of \(name) of \(home).")
        }
    }
}

func parsed(version: UInt32) throws(Failure) -> Version {
    guard version > 0 else { throw Failure(.badInput, "versions count from 1") }
    return Version(number: version)
}
