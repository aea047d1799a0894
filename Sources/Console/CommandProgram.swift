package import ArgumentParser
import Glibc

/// What our programs have in common from their start to their end. Exit statuses and the form of messages are an
/// interface: docs/CLI.md.
package enum CommandProgram {
    /// Of all programs that are built together.
    package static let version = "0.1.0"

    /// Ends the process as `error` says: the fact, what to do next, the exit status.
    package static func fail(_ error: any Error, of root: any ParsableCommand.Type) -> Never {
        if let failure = Failure(ours: error) { fail(failure) }
        guard root.exitCode(for: error) != .success, !(error is ExitCode) else { root.exit(withError: error) }
        if let unknown = UnknownSubcommand(in: CommandLine.arguments.dropFirst(), of: root) {
            fail(unknown.failure)
        }
        Output.note("error: \(withoutGiven(root.message(for: error)))")
        let name = root._commandName
        let isOne = root.configuration.subcommands.isEmpty
        Output.note("hint: \(name) --help\(isOne ? "" : ", or \(name) help COMMAND")")
        Glibc.exit(ExitStatus.usage.rawValue)
    }

    private static func fail(_ failure: Failure) -> Never {
        Output.note("error: \(failure.message)")
        if let hint = failure.hint { Output.note("hint: \(hint)") }
        Glibc.exit(failure.status.rawValue)
    }

    /// The parser's message without what was given on the command line: somebody may have typed a value there.
    /// What looks like the name of a long option stays.
    private static func withoutGiven(_ message: String) -> String {
        var given: [String] = []
        for word in CommandLine.arguments.dropFirst() {
            let name = String(word.prefix { $0 != "=" })
            let isOption = name.wholeMatch(of: /--[a-z]+(-[a-z]+)*/) != nil
            given.append(isOption ? String(word.dropFirst(name.count + 1)) : word)
        }
        // The longest first: one word may be a part of another.
        return given.filter { !$0.isEmpty }.sorted { $0.count > $1.count }.reduce(message) { text, word in
            // A letter or two would also be found inside the message's own words.
            let (found, shown) = word.count > 2 ? (word, "…") : ("'\(word)'", "'…'")
            return text.split(separator: found, omittingEmptySubsequences: false).joined(separator: shown)
        }
    }
}
