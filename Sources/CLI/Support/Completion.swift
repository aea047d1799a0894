import ArgumentParser
import Console
import FoundationEssentials
import Fuse
import Secrets
import Store

/// What a shell offers for algorithms, secrets and users when Tab is pressed. Never asks, never waits, and offers nothing
/// where the store cannot be read.
enum Completion {
    /// Whether a shell asks, and not a person.
    static var isAskedFor: Bool { CommandLine.arguments.dropFirst().first == "---completion" }

    static var algorithms: CompletionKind {
        .custom { words, index, prefix in
            names(words, index)?.algorithms(startingWith: prefix) ?? []
        }
    }

    static var owners: CompletionKind {
        .custom { words, index, prefix in
            names(words, index)?.owners(startingWith: prefix) ?? []
        }
    }

    /// Algorithms, and owners, which have secrets as well.
    static var homes: CompletionKind {
        .custom { words, index, prefix in
            guard let names = names(words, index) else { return [] }
            return names.algorithms(startingWith: prefix) + names.owners(startingWith: prefix)
        }
    }

    /// Algorithms, and all of the owner that is typed before them.
    static var grantees: CompletionKind {
        .custom { words, index, prefix in
            guard let names = names(words, index) else { return [] }
            let owners = Set(names.owners(startingWith: ""))
            let all = words.prefix(max(0, index)).filter(owners.contains).map { "\($0)/*" }
            return names.algorithms(startingWith: prefix) + Set(all).filter { $0.hasPrefix(prefix) }
        }
    }

    /// Users of the API.
    static var users: CompletionKind {
        .custom { words, index, prefix in names(words, index)?.users(startingWith: prefix) ?? [] }
    }

    static var apiKeys: CompletionKind {
        .custom { words, index, prefix in names(words, index)?.apiKeys(startingWith: prefix) ?? [] }
    }

    static var providers: CompletionKind {
        .custom { words, index, prefix in names(words, index)?.providers(startingWith: prefix) ?? [] }
    }

    static var nodes: CompletionKind {
        .custom { words, index, prefix in names(words, index)?.nodes(startingWith: prefix) ?? [] }
    }

    static var roles: CompletionKind {
        .custom { words, index, prefix in
            guard let names = names(words, index) else { return [] }
            let all =
                ["admin", "viewer"] + names.owners(startingWith: "").map { "owner:\($0)" }
                + names.algorithms(startingWith: "").map { "collaborator:\($0)" }
            return all.filter { $0.hasPrefix(prefix) }
        }
    }

    /// Where something of ours is mounted.
    static var mountPoints: CompletionKind {
        .custom { _, _, prefix in
            let points = ((try? MountTable.current().ours) ?? []).map(\.point)
            return points.filter { $0.hasPrefix(prefix) }
        }
    }

    /// Of the home that is typed before them.
    static var secrets: CompletionKind {
        .custom { words, index, prefix in
            guard let names = names(words, index) else { return [] }
            // What stands before may also be an option's value; that has no secrets.
            for word in words.prefix(max(0, index)).reversed() {
                guard let home = try? SecretHome(word) else { continue }
                guard !names.secrets(of: home, startingWith: "").isEmpty else { continue }
                return names.secrets(of: home, startingWith: prefix)
            }
            return []
        }
    }

    private static func names(_ words: [String], _ index: Int) -> StoredNames? {
        guard let state = try? StateDirectory(state(in: words.prefix(max(0, index)))) else { return nil }
        return try? StoredNames(at: state.path)
    }

    /// What `--state` says in the words that are typed; bash takes `=` for a word.
    private static func state(in words: ArraySlice<String>) -> String? {
        if let joined = words.last(where: { $0.hasPrefix("--state=") }), joined.count > "--state=".count {
            return inHome(String(joined.dropFirst("--state=".count)))
        }
        guard let option = words.lastIndex(where: { $0 == "--state" }) else { return nil }
        return words[words.index(after: option)...].first { $0 != "=" }.map(inHome)
    }

    /// The shell has not put the home folder in yet.
    private static func inHome(_ path: String) -> String {
        guard path.hasPrefix("~/"), let home = ProcessInfo.processInfo.environment["HOME"] else {
            return path
        }
        return home + path.dropFirst(1)
    }
}
