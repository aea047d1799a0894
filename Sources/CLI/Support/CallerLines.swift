import Console
import Secrets

/// A rule about callers as text: what `secretfs callers` shows, with the kind on each line.
enum CallerLines {
    /// `uid 1000`, `gid 27`, `executable /path` or `executable /path@sha256:HEX`, `cgroup /path`: a line each.
    /// Nothing for anyone.
    static func text(_ rule: CallerRule) -> String {
        // No path has a control character in it, so each is a line as it is.
        rule.items.map { $0 + "\n" }.joined()
    }

    /// Reads what `text` makes, in any order; users and groups by name too, `exe` for `executable`, and `or` for the
    /// kind of the line above.
    ///
    /// - Throws: `.badInput`, with the number of the line. Never with what is in it: somebody may have written a
    ///   value to the wrong file.
    static func rule(_ text: String) throws(Failure) -> CallerRule {
        var rule = CallerRule.anyone
        var kind = ""
        let lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let words = line.split(maxSplits: 1, whereSeparator: isBlank)
            guard let word = words.first else { continue }
            let item = words.count > 1 ? String(Substring(words[1].drop(while: isBlank))) : ""
            if !word.elementsEqual("or".utf8) { kind = String(Substring(word)) }
            do throws(BadLine) {
                try add(item, kind, to: &rule)
            } catch {
                throw Failure(
                    .badInput, "line \(index + 1) \(error.reason)",
                    hint:
                        "a line is uid, gid, executable or cgroup, and then what secretfs callers takes for it"
                )
            }
        }
        return rule
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
    }

    private struct BadLine: Error {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    private static func add(
        _ item: String, _ kind: String, to rule: inout CallerRule
    ) throws(BadLine) {
        switch kind {
        case "uid":
            try add(item, "a user of this machine, or the number of one", to: &rule.uids) {
                text throws(Failure) in try CallerText.user(text)
            }
        case "gid":
            try add(item, "a group of this machine, or the number of one", to: &rule.gids) {
                text throws(Failure) in try CallerText.group(text)
            }
        case "executable", "exe":
            try add(item, "/path or /path@sha256:HEX, as /proc/PID/exe shows it", to: &rule.executables) {
                text throws(Failure) in try CallerText.executable(text, looking: false)
            }
        case "cgroup":
            try add(item, "the path of a cgroup, as /proc/PID/cgroup shows it", to: &rule.cgroups) {
                text throws(Failure) in try CallerText.cgroup(text)
            }
        default: throw BadLine("begins with no kind of rule")
        }
    }

    private static func add<Item: Hashable>(
        _ item: String, _ wanted: String, to items: inout [Item], _ parse: (String) throws(Failure) -> Item
    ) throws(BadLine) {
        let parsed: Item
        do { parsed = try parse(item) } catch { throw BadLine("is not \(wanted)") }
        guard !items.contains(parsed) else { return }
        guard items.count < CallerRule.maximumItems else {
            throw BadLine("is one more than the \(CallerRule.maximumItems) of a kind that a rule can have")
        }
        items.append(parsed)
    }
}
