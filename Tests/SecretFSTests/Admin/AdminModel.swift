import Fuse

@testable import SecretFS

/// A place where an admin tree can be used as a program uses it, by paths below `algorithms/OWNER`. Each call is
/// answered, or refused for the same reason in every place.
protocol AdminWorld {
    func makeDirectory(_ path: [String]) throws(Refusal)
    func removeDirectory(_ path: [String]) throws(Refusal)
    func unlink(_ path: [String]) throws(Refusal)
    /// Opens as a shell's redirection does, writes each piece where it says, and closes.
    func write(_ path: [String], _ pieces: [Piece], _ mode: OpenMode) throws(Refusal)
    /// truncate(2).
    func resize(_ path: [String], to count: Int) throws(Refusal)
    func rename(_ path: [String], to name: String) throws(Refusal)
    func read(_ path: [String]) throws(Refusal) -> [UInt8]
    func list(_ path: [String]) throws(Refusal) -> Set<String>
    /// What the store has of a secret, oldest first.
    func values(_ path: [String]) -> [[UInt8]]
}

struct Piece: Sendable {
    let offset: Int
    let bytes: [UInt8]
}

/// What an admin tree is, in a form small enough to be obviously right.
final class AdminModel: AdminWorld {
    struct Secret {
        var values: [[UInt8]] = []
        /// What the files hold that can be written and read.
        var texts: [String: [UInt8]]
        var beside: [String: [UInt8]] = [:]
        var hidden: Set<String> = []

        var files: Set<String> { Set(texts.keys).union(["value"]).union(values.isEmpty ? [] : Self.told) }
        static let told: Set<String> = [
            "provider", "version", "versions", "created", "modified", "modified_by",
        ]
    }
    struct Algorithm {
        var rule: [UInt8] = []
        var ruleIsHidden = false
        var secrets: [String: Secret] = [:]
    }
    private(set) var algorithms: [String: Algorithm] = [:]

    private func secret(_ path: [String]) throws(Refusal) -> Secret {
        guard let secret = algorithms[path[0]]?.secrets[path[1]] else { throw .notFound }
        return secret
    }
    private func set(_ path: [String], _ secret: Secret) { algorithms[path[0]]?.secrets[path[1]] = secret }

    func makeDirectory(_ path: [String]) throws(Refusal) {
        guard path.count == 2 else {
            guard algorithms[path[0]] == nil else { throw .exists }
            return algorithms[path[0]] = Algorithm()
        }
        guard let algorithm = algorithms[path[0]] else { throw .notFound }
        guard algorithm.secrets[path[1]] == nil else { throw .exists }
        let texts = [
            "name": line(path[1]), "description": line(""), "delivery": line("env"), "kept": line(""),
            "not_before": line("never"), "expires": line("never"), "callers": [],
        ]
        set(path, Secret(texts: texts))
    }

    func removeDirectory(_ path: [String]) throws(Refusal) {
        guard path.count == 2 else {
            guard let algorithm = algorithms[path[0]] else { throw .notFound }
            guard algorithm.secrets.isEmpty else { throw .notEmpty }
            return algorithms[path[0]] = nil
        }
        guard try secret(path).beside.isEmpty else { throw .notEmpty }
        algorithms[path[0]]?.secrets[path[1]] = nil
    }

    func unlink(_ path: [String]) throws(Refusal) {
        guard path.count == 3 else {
            guard let algorithm = algorithms[path[0]], !algorithm.ruleIsHidden else { throw .notFound }
            algorithms[path[0]]?.ruleIsHidden = true
            return
        }
        var secret = try secret(path)
        if secret.beside.removeValue(forKey: path[2]) == nil {
            guard secret.files.contains(path[2]) else { throw .notFound }
            guard secret.hidden.insert(path[2]).inserted else { throw .notFound }
        }
        set(path, secret)
    }

    func list(_ path: [String]) throws(Refusal) -> Set<String> {
        guard path.count == 2 else {
            guard let algorithm = algorithms[path[0]] else { throw .notFound }
            algorithms[path[0]]?.ruleIsHidden = false
            return Set(algorithm.secrets.keys).union([".callers", ".", ".."])
        }
        var secret = try secret(path)
        secret.hidden = []
        set(path, secret)
        return secret.files.union(secret.beside.keys).union([".", ".."])
    }

    func values(_ path: [String]) -> [[UInt8]] { (try? secret(path).values) ?? [] }

    // MARK: Files

    func read(_ path: [String]) throws(Refusal) -> [UInt8] {
        guard path.count == 3 else {
            guard let algorithm = algorithms[path[0]], !algorithm.ruleIsHidden else { throw .notFound }
            return algorithm.rule
        }
        let secret = try secret(path)
        if let text = secret.beside[path[2]] { return text }
        guard secret.files.contains(path[2]), !secret.hidden.contains(path[2]) else { throw .notFound }
        switch path[2] {
        case "value": throw .denied
        case "version": return line("\(secret.values.count)")
        case "provider": return line("internal")
        case "modified_by": return line("uid 7")
        default: return secret.texts[path[2]] ?? []
        }
    }

    func write(_ path: [String], _ pieces: [Piece], _ mode: OpenMode) throws(Refusal) {
        var content: [UInt8]
        if path.count == 3 {
            var secret = try secret(path)
            if let old = secret.beside[path[2]] {
                content = old
            } else if secret.texts[path[2]] == nil, path[2] != "value" {
                guard path[2].hasPrefix("beside") else { throw .denied }
                content = []
            } else {
                content = secret.hidden.contains(path[2]) ? [] : secret.texts[path[2]] ?? []
            }
            guard !mode.contains(.append) else { throw .notSupported }
            if mode.contains(.truncate) { content = [] }
            // Made and emptied by the open itself, whatever comes of the rest.
            if path[2].hasPrefix("beside") { secret.beside[path[2]] = content }
            secret.hidden.remove(path[2])
            set(path, secret)
        } else {
            guard let algorithm = algorithms[path[0]] else { throw .notFound }
            content = algorithm.ruleIsHidden ? [] : algorithm.rule
            if mode.contains(.append) { throw .notSupported }
            algorithms[path[0]]?.ruleIsHidden = false
        }
        if mode.contains(.truncate) { content = [] }
        for piece in pieces {
            guard piece.offset <= content.count else { throw .invalid }
            content.replaceSubrange(
                piece.offset..<min(content.count, piece.offset + piece.bytes.count), with: piece.bytes)
            if path.count == 3, path[2].hasPrefix("beside") { try store(content, path) }
        }
        if !pieces.isEmpty { try store(content, path) }
    }

    func resize(_ path: [String], to count: Int) throws(Refusal) {
        let isValue = path.count == 3 && path[2] == "value"
        let content: [UInt8]
        do throws(Refusal) { content = try read(path) } catch {
            guard error == .denied else { throw error }
            content = []
        }
        guard isValue || path.count == 2 || !Secret.told.contains(path[2]) else { throw .denied }
        guard count <= content.count else { throw .invalid }
        try store(Array(content.prefix(count)), path)
    }

    func rename(_ path: [String], to name: String) throws(Refusal) {
        let target = [path[0], path[1], name]
        guard try secret(path).beside[path[2]] == nil else {
            guard name != path[2] else { return }
            guard !Secret.told.contains(name) else { throw .denied }
            try store(try read(path), target)
            return try unlink(path)
        }
        let found = try secret(path)
        guard found.files.contains(path[2]), !found.hidden.contains(path[2]) else { throw .notFound }
        guard path[2] != "value", !Secret.told.contains(path[2]), name.hasPrefix("beside") else {
            throw .notPermitted
        }
        try store(try read(path), target)
        try unlink(path)
    }

    /// Makes `content` what a file holds; what it cannot hold changes nothing.
    private func store(_ content: [UInt8], _ path: [String]) throws(Refusal) {
        guard path.count == 3 else {
            guard Self.isRule(content) else { throw .invalid }
            algorithms[path[0]]?.rule = ruleLines(content)
            return
        }
        var secret = try secret(path)
        let text = String(decoding: content.last == 10 ? content.dropLast() : content[...], as: UTF8.self)
        switch path[2] {
        case "value":
            guard secret.texts["delivery"] == line("file") || !content.contains(0) else { throw .invalid }
            secret.values.append(content)
        case "name": guard !text.isEmpty, Self.isLine(text, 128) else { throw .invalid }
        case "description": guard Self.isLine(text, 1024) else { throw .invalid }
        case "delivery": guard ["env", "file"].contains(text) else { throw .invalid }
        case "kept": guard Int(text) != nil else { throw .invalid }
        case "not_before", "expires": guard ["", "never"].contains(text) else { throw .invalid }
        case "callers": guard Self.isRule(content) else { throw .invalid }
        default: secret.beside[path[2]] = content
        }
        if secret.texts[path[2]] != nil {
            let kept = path[2] == "kept" ? line("\(Int(text) ?? 0)") : line(text)
            secret.texts[path[2]] = path[2] == "callers" ? ruleLines(content) : kept
            if ["not_before", "expires"].contains(path[2]) { secret.texts[path[2]] = line("never") }
        }
        secret.hidden.remove(path[2])
        set(path, secret)
    }

    private static func isLine(_ text: String, _ maximum: Int) -> Bool {
        text.utf8.count <= maximum && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
    private static func isRule(_ content: [UInt8]) -> Bool {
        String(decoding: content, as: UTF8.self).split(separator: "\n").allSatisfy {
            $0.hasPrefix("uid ") && UInt32($0.dropFirst(4)) != nil
        }
    }
}

private func line(_ text: String) -> [UInt8] { Array((text + "\n").utf8) }

/// A rule as it is shown: each line ended, none of them empty, numbers as numbers.
private func ruleLines(_ content: [UInt8]) -> [UInt8] {
    content.split(separator: 10).flatMap { user in
        line("uid \(UInt32(String(decoding: user.dropFirst(4), as: UTF8.self)) ?? 0)")
    }
}
