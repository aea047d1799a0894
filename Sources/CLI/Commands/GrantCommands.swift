import ArgumentParser
import Console
import Secrets
import Store

/// A secret of an owner.
struct SharedSubject: ParsableArguments {
    @Argument(help: "The owner (organization) that the secret belongs to.", completion: Completion.owners)
    var owner: String
    @Argument(help: "The environment variable's name.", completion: Completion.secrets) var name: String

    func parsed() throws -> (OwnerName, EnvironmentName) {
        (try OwnerName(owner), try EnvironmentName(name))
    }
}

struct GrantCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant",
        abstract: "Let algorithms see a secret of an owner.",
        discussion: """
            The secret is made with secretfs secret create OWNER NAME. OWNER/* is every algorithm of that owner, those \
            made later too; algorithms of other owners are named one by one.
            Examples:
              secretfs grant nlp SHARED_TOKEN --to nlp/Summarizer
              secretfs grant nlp SHARED_TOKEN --to 'nlp/*' --to vision/Captions
            """)
    @OptionGroup var state: StateOptions
    @OptionGroup var subject: SharedSubject
    @Option(
        help: ArgumentHelp("OWNER/NAME or OWNER/*; as often as needed.", valueName: "algorithm"),
        completion: Completion.grantees)
    var to: [String]

    func run() throws {
        let (owner, name) = try subject.parsed()
        let grantees = try to.map { try Grantee($0) }
        let made = try state.openStore().grant(name, of: owner, to: grantees)
        Output.line("Granted \(name) of \(owner) to \(list(grantees)); \(made.grants.count) grant(s) in all.")
    }
}

struct RevokeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke",
        abstract: "Take back what was granted. Mounts stop showing it at once.",
        discussion: "Example:\n  secretfs revoke nlp SHARED_TOKEN --from nlp/Summarizer")
    @OptionGroup var state: StateOptions
    @OptionGroup var subject: SharedSubject
    @Option(
        help: ArgumentHelp("As it was granted; as often as needed.", valueName: "algorithm"),
        completion: Completion.grantees)
    var from: [String]

    func run() throws {
        let (owner, name) = try subject.parsed()
        let grantees = try from.map { try Grantee($0) }
        let store = try state.openStore()
        let granted = try store.secret(name, of: .owner(owner)).grants
        if let missing = grantees.first(where: { !granted.contains($0) }) {
            throw Failure(
                .notFound, "\(name) of \(owner) is not granted to \(missing)",
                hint: "see secretfs secret show \(owner) \(name)")
        }
        try store.revoke(name, of: owner, from: grantees)
        Output.line("Revoked \(name) of \(owner) from \(list(grantees)).")
    }
}

private func list(_ grantees: [Grantee]) -> String { grantees.map(\.description).joined(separator: ", ") }

struct VisibleCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "visible",
        abstract:
            "Explain what an algorithm sees: where each secret comes from, by which rule, and who may open it.",
        discussion: "Example:\n  secretfs visible nlp/Summarizer")
    @OptionGroup var state: StateOptions
    @Argument(help: "OWNER/NAME.", completion: Completion.grantees) var algorithm: String
    @Flag(help: "Print JSON.") var json = false

    func run() throws {
        let name = try AlgorithmName(algorithm)
        let store = try state.openStore()
        let candidates = try store.candidates(for: name)
        let algorithm = try store.algorithm(name).0
        let reports = candidates.map { VisibilityReport($0, of: algorithm) }
        if json { return try Output.json(reports) }
        guard !reports.isEmpty else { return Output.line("\(name) sees no secret.") }
        Output.table(
            ["NAME", "STATE", "FROM", "RULE", "UNTIL", "CALLERS"],
            reports.map {
                let callers = $0.callers.map(\.summary).joined(separator: "; and ")
                return [
                    $0.name, $0.state, $0.from, $0.rule, $0.expires ?? "-",
                    callers.isEmpty ? "anyone" : callers,
                ]
            })
    }
}

/// The JSON of `visible`.
struct VisibilityReport: Encodable {
    let name: String
    let from: String
    let rule: String
    let visible: Bool
    let state: String
    let version: UInt32
    let notBefore: String?
    let expires: String?
    /// The rules that must all let a caller open it; none: anyone.
    let callers: [CallersReport]

    init(_ candidate: Candidate, of algorithm: Algorithm) {
        name = candidate.secret.name.text
        from = candidate.home.description
        rule = candidate.grant.map { "granted to \($0)" } ?? "its own"
        visible = candidate.state == .visible
        state =
            switch candidate.state {
            case .visible: "visible"
            case .hidden(let home): "hidden by the one of \(home)"
            case .notYet(let moment): "not before \(moment)"
            case .expired(let moment): "expired \(moment)"
            }
        version = candidate.secret.current.version.number
        notBefore = candidate.secret.validity.notBefore?.description
        expires = candidate.secret.validity.expires?.description
        callers = [
            CallersReport(.algorithm(algorithm.name), nil, algorithm.callers),
            CallersReport(candidate.home, candidate.secret.name, candidate.secret.callers),
        ].filter { !$0.anyone }
    }
}
