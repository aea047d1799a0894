package import ArgumentParser

/// A word where a subcommand is expected and none is meant. The parser would call it an unexpected argument, and what
/// is given is not repeated (somebody may have typed a value there), so the names that there are must help.
package struct UnknownSubcommand {
    /// The command that it would be a subcommand of, for example `secretfs secret`.
    private let path: String
    private let names: [String]
    private let word: String

    /// Nil if the words lead to a command.
    ///
    /// - Parameter words: what was given, without the program's name.
    package init?(in words: some Sequence<String>, of root: any ParsableCommand.Type) {
        var command = root
        var path = root._commandName
        for word in words.prefix(while: { $0 != "--" }) where !word.hasPrefix("-") {
            let children = command.configuration.subcommands
            guard !children.isEmpty else { return nil }
            guard let next = children.first(where: { $0._commandName == word }) else {
                guard word != "help" || command != root else { return nil }
                self.path = path
                names = children.map { $0._commandName }
                self.word = word
                return
            }
            command = next
            path += " " + word
        }
        return nil
    }

    package var failure: Failure {
        Failure(
            .usage, "\(path) has no such command: \(names.joined(separator: ", "))",
            hint: hint ?? "\(path) --help")
    }

    /// What people try who expect to see a value.
    private static let readers: Set<String> = ["get", "read", "cat", "view", "print", "reveal", "export"]

    private var hint: String? {
        if path == "secretfs secret", Self.readers.contains(word) {
            return "no command shows a value: secretfs run OWNER/NAME -- PROGRAM gives it to a program"
        }
        let near = names.map { ($0, distance(from: word, to: $0)) }.min { $0.1 < $1.1 }
        guard let (name, changes) = near, changes <= max(1, name.count / 3) else { return nil }
        return "did you mean \(path) \(name)?"
    }
}

/// How many characters must be changed, added or taken away to make one of the other (Levenshtein).
func distance(from first: String, to second: String) -> Int {
    let second = Array(second)
    var costs = Array(0...second.count)
    for (index, character) in first.prefix(64).enumerated() {
        var diagonal = costs[0]
        costs[0] = index + 1
        for other in second.indices {
            let replaced = diagonal + (character == second[other] ? 0 : 1)
            diagonal = costs[other + 1]
            costs[other + 1] = min(replaced, costs[other] + 1, diagonal + 1)
        }
    }
    return costs[second.count]
}
