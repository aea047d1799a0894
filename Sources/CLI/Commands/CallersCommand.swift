import ArgumentParser
import Console
import FoundationEssentials
import Glibc
import Secrets
import Store

struct CallersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "callers", abstract: "Show or change which processes may open an algorithm's secrets.",
        discussion: """
            Without options the rule is shown. A caller must match every kind that is given, and any of the values \
            of a kind. The rule of a secret narrows that of its algorithm. Options replace their own kind and leave \
            the others; --clear begins with none. A change holds for the next open, without a new mount.
            Examples:
              secretfs callers nlp/Summarizer
              secretfs callers nlp/Summarizer --uid nlp --cgroup /system.slice/nlp.service
              secretfs callers nlp/Summarizer TLS_KEY --exe /usr/sbin/nginx
              secretfs callers nlp SHARED_TOKEN --clear --uid 1000 --uid 1001
              secretfs callers nlp/Summarizer --exe /opt/tool@sha256:$(sha256sum </opt/tool | cut -c -64)
            """)
    @OptionGroup var state: StateOptions
    @Argument(help: "OWNER/NAME, or OWNER for a secret of an owner.", completion: Completion.homes)
    var home: String
    @Argument(
        help: "A secret. Without it: the rule for all of the algorithm.", completion: Completion.secrets)
    var secret: String?
    @Option(help: "A user, name or number. Repeat for several.") var uid: [String] = []
    @Option(help: "A group, name or number: the main group of the process.") var gid: [String] = []
    @Option(
        help: ArgumentHelp(
            "A program: /path, the file that this machine has there; or /path@sha256:HEX, by its content.",
            valueName: "path"))
    var exe: [String] = []
    @Option(help: ArgumentHelp("A cgroup (v2) with all below it.", valueName: "path")) var cgroup: [String] =
        []
    @Flag(help: "Begin with a rule that lets everybody.") var clear = false
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let home = try SecretHome(home)
        let name = try secret.map { try EnvironmentName($0) }
        let change = try Change(self)
        let store = try state.openStore()
        let rule: CallerRule
        switch (home, name) {
        case (_, .some(let name)):
            let found =
                change.isNone
                ? try store.secret(name, of: home)
                : try store.updateCallers(ofSecret: name, of: home) { change.apply(to: &$0) }
            rule = found.callers
        case (.algorithm(let algorithm), nil):
            let found =
                change.isNone
                ? try store.algorithm(algorithm).0
                : try store.updateAlgorithm(algorithm) { change.apply(to: &$0.callers) }
            rule = found.callers
        case (.owner(let owner), nil):
            throw Failure(
                .usage, "\(owner) is an owner: a secret of it must be named",
                hint: "secretfs callers \(owner) SECRET, or secretfs callers \(owner)/NAME")
        }
        let report = CallersReport(home, name, rule)
        if json { try Output.json(report) } else { report.show() }
    }

    /// What the options say.
    private struct Change {
        private let clear: Bool
        private let uids: [UInt32]
        private let gids: [UInt32]
        private let executables: [CallerRule.Executable]
        private let cgroups: [String]

        init(_ command: CallersCommand) throws(Failure) {
            clear = command.clear
            uids = try Self.items(command.uid, "--uid") { text throws(Failure) in try CallerText.user(text) }
            gids = try Self.items(command.gid, "--gid") { text throws(Failure) in try CallerText.group(text) }
            executables = try Self.items(command.exe, "--exe") { text throws(Failure) in
                try CallerText.executable(text)
            }
            cgroups = try Self.items(command.cgroup, "--cgroup") { text throws(Failure) in
                try CallerText.cgroup(text)
            }
        }

        private static func items<Item: Hashable>(
            _ given: [String], _ option: String, _ parse: (String) throws(Failure) -> Item
        ) throws(Failure) -> [Item] {
            guard given.count <= CallerRule.maximumItems else {
                throw Failure(
                    .badInput,
                    "\(option) is given \(given.count) times; at most \(CallerRule.maximumItems) are allowed",
                    hint: "use a group or a cgroup that has them all")
            }
            var items: [Item] = []
            for text in given {
                let item = try parse(text)
                if !items.contains(item) { items.append(item) }
            }
            return items
        }

        var isNone: Bool {
            !clear && uids.isEmpty && gids.isEmpty && executables.isEmpty && cgroups.isEmpty
        }

        func apply(to rule: inout CallerRule) {
            if clear { rule = .anyone }
            if !uids.isEmpty { rule.uids = uids }
            if !gids.isEmpty { rule.gids = gids }
            if !executables.isEmpty { rule.executables = executables }
            if !cgroups.isEmpty { rule.cgroups = cgroups }
        }
    }
}

/// The JSON of `callers` (docs/CLI.md).
struct CallersReport: Encodable {
    struct Program: Encodable {
        let path: String
        let sha256: String?
    }
    let home: String
    let secret: String?
    let anyone: Bool
    let uids: [UInt32]
    let gids: [UInt32]
    let executables: [Program]
    let cgroups: [String]

    init(_ home: SecretHome, _ secret: EnvironmentName?, _ rule: CallerRule) {
        self.home = home.description
        self.secret = secret?.text
        anyone = rule.isAnyone
        uids = rule.uids
        gids = rule.gids
        executables = rule.executables.map { Program(path: $0.path, sha256: $0.sha256.map(hexadecimal)) }
        cgroups = rule.cgroups
    }

    /// What is asked for, by kind; printable.
    private var kinds: [(kind: String, items: [String])] {
        [
            ("uid", uids.map(String.init)), ("gid", gids.map(String.init)),
            (
                "executable",
                executables.map { printable($0.path) + ($0.sha256.map { "@sha256:\($0)" } ?? "") }
            ),
            ("cgroup", cgroups.map(printable)),
        ]
    }

    /// On one line: `uid 5 or 6 and executable /usr/bin/env`.
    var summary: String {
        kinds.filter { !$0.items.isEmpty }
            .map { "\($0.kind) " + $0.items.joined(separator: " or ") }
            .joined(separator: " and ")
    }

    func show() {
        let subject = secret.map { "\($0) of \(home)" } ?? home
        if anyone { return Output.line("\(subject): anyone who may enter the mount.") }
        Output.line("\(subject): callers that match each of")
        for (kind, items) in kinds {
            for (index, item) in items.enumerated() {
                let label = index == 0 ? kind : "or"
                Output.line("  " + label + String(repeating: " ", count: 12 - label.count) + item)
            }
        }
    }
}
