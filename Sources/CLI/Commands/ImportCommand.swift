import ArgumentParser
import Console
import Glibc
import Secrets
import Store

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Create all secrets of a .env file at once, or none of them.",
        discussion: """
            The names are shown first; on a terminal it then asks. Values are never shown.
            Examples:
              secretfs import nlp/Summarizer .env --dry-run
              secretfs import nlp/Summarizer .env --update --yes
            """)
    @OptionGroup var state: StateOptions
    @Argument(help: "OWNER/NAME, or OWNER for secrets to be granted.", completion: Completion.homes)
    var home: String
    @Argument(help: "The .env file; - is standard input.", completion: .file()) var file: String
    @Flag(help: "A name that exists gets the new value as its next version.") var update = false
    @Flag(help: "Show what would be done, and do nothing.") var dryRun = false
    @Flag(help: "Do not ask.") var yes = false
    @Option(help: "env (file and variable) or file (file only).") var delivery = "env"
    @Option(help: ArgumentHelp("Insist on a name that can make programs run other code.", valueName: "name"))
    var allowName: [String] = []

    func run() throws {
        let home = try SecretHome(home)
        let allowed = try names(allowName)
        let delivery = try parsed(delivery: delivery)
        let store = try state.openStore()
        let present = Set(try store.secrets(of: home).map(\.name))
        let source = try ValueInput.contents(of: file, maximum: Self.maximumCount)
        let secrets = try DotEnv.parse(source).map { variable in
            NewSecret(
                name: variable.name, displayName: try DisplayName(String(variable.name.text.prefix(128))),
                about: try Description(""), delivery: delivery, value: variable.value)
        }
        guard !secrets.isEmpty else {
            throw Failure(.badInput, "there is no NAME=value in the file")
        }
        let plan = secrets.map { secret in
            let mark = !present.contains(secret.name) ? "create" : update ? "update" : "exists"
            return "\(mark)  \(secret.name)  \(inBytes(secret.value.count))"
        }
        Output.line(plan.joined(separator: "\n"))
        noteReferences(in: secrets)
        let existing: ExistingSecrets = update ? .update : .refuse
        try store.check(secrets, of: home, existing: existing, allowing: allowed)
        if dryRun { return Output.line("Nothing was changed.") }
        if !yes, file != "-", isatty(STDIN_FILENO) == 1 {
            let question = "Import \(secrets.count) secret(s) into \(home)?"
            guard Confirmation.ask(question) else {
                throw Failure(.usage, "not confirmed; nothing was changed")
            }
        }
        try store.createSecrets(secrets, of: home, existing: existing, allowing: allowed)
        Output.line("Imported \(secrets.count) secret(s) into \(home).")
    }

    /// Other programs expand `${NAME}` in such files.
    private func noteReferences(in secrets: [NewSecret]) {
        let names = secrets.filter { $0.value.contains("${") }.map(\.name.text)
        guard let first = names.first else { return }
        let others = names.count > 1 ? " and \(names.count - 1) more" : ""
        Output.note(
            "note: ${...} in the value of \(first)\(others) is stored as it stands; nothing is expanded")
    }

    /// A file of 10,000 secrets fits many times; a mistaken file does not fill the memory.
    private static let maximumCount = 64 << 20
}

extension SecretValue {
    /// Whether the bytes of `text` stand anywhere in it.
    fileprivate func contains(_ text: StaticString) -> Bool {
        let wanted = text.utf8CodeUnitCount
        return withBytes { bytes in
            guard bytes.byteCount >= wanted else { return false }
            return (0...bytes.byteCount - wanted).contains { start in
                (0..<wanted).allSatisfy { index in
                    unsafe bytes.unsafeLoad(fromByteOffset: start + index, as: UInt8.self)
                        == text.utf8Start[index]
                }
            }
        }
    }
}
