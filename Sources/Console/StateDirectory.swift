package import ArgumentParser
import CLinux
import FoundationEssentials
import Glibc
import Store

/// `--state DIR`: where a store and its agent's socket are.
package struct StateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The folder of the store. Default: $SECRETFS_STATE; /var/lib/secretfs for root; else $XDG_STATE_HOME/secretfs.",
            valueName: "dir"), completion: .directory)
    package var state: String?

    @Option(
        help: ArgumentHelp(
            "Read the passphrase of a passphrase-protected store from a file (- is standard input).",
            valueName: "file"), completion: .file())
    package var passphraseFile: String?

    @Option(
        help: ArgumentHelp(
            "Open the store with this root key file instead of the source that the store names.",
            valueName: "file"), completion: .file())
    package var rootKeyFile: String?

    package init() {}

    /// As if `--state` named it.
    package static func of(_ directory: StateDirectory) -> StateOptions {
        var options = StateOptions()
        options.state = directory.path
        options.passphraseFile = nil
        options.rootKeyFile = nil
        return options
    }

    package var directory: StateDirectory {
        get throws(Failure) { try StateDirectory(state) }
    }
}

/// The folder of one store: `store.db`, `root.key` unless it is elsewhere, `agent.sock`, `agent.log`.
package struct StateDirectory {
    /// Absolute.
    package let path: String

    package init(_ given: String?) throws(Failure) {
        let environment = ProcessInfo.processInfo.environment
        if let chosen = given ?? environment["SECRETFS_STATE"].flatMap({ $0.isEmpty ? nil : $0 }) {
            try self.init(path: chosen)
        } else if geteuid() == 0 {
            try self.init(path: "/var/lib/secretfs")
        } else {
            self = try .ofUser()
        }
    }

    /// Where this user's own store is, whichever is meant now.
    package static func ofUser() throws(Failure) -> StateDirectory {
        let environment = ProcessInfo.processInfo.environment
        if let base = environment["XDG_STATE_HOME"], !base.isEmpty {
            return try StateDirectory(path: base + "/secretfs")
        }
        if let home = environment["HOME"], !home.isEmpty {
            return try StateDirectory(path: home + "/.local/state/secretfs")
        }
        throw Failure(
            .usage, "no state folder: neither HOME nor XDG_STATE_HOME is set", hint: "name it: --state DIR")
    }

    private init(path chosen: String) throws(Failure) {
        guard !chosen.isEmpty, !chosen.utf8.contains(0) else {
            throw Failure(.usage, "the state folder's name is empty", hint: "name it: --state DIR")
        }
        path = chosen.hasPrefix("/") ? chosen : FileManager.default.currentDirectoryPath + "/" + chosen
    }

    package var socket: String { path + "/agent.sock" }
    package var log: String { path + "/agent.log" }
    package var store: String { path + "/store.db" }
    package func lock(of who: KeyHolding) -> String { "\(path)/\(who.rawValue).lock" }
    package var rootKey: String { path + "/root.key" }
}

extension StateDirectory {
    /// Creates the folder, 0700, with what is missing above it. One that is there and empty is closed to others;
    /// one that is not empty must be closed.
    package func make() throws(Failure) {
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure(
                .io, "the state folder \(path) cannot be made: \(errnoText())",
                hint: "choose another: --state DIR")
        }
        guard let found = Files.status(path), found.st_mode & S_IFMT == S_IFDIR else { return }
        guard found.st_uid == geteuid() || found.st_uid == 0 else {
            throw Failure(
                .denied, "\(path) belongs to user \(found.st_uid)",
                hint: "be that user, or choose another --state")
        }
        guard found.st_mode & 0o077 != 0 else { return }
        // As the store does it, but before there is a key in it: narrowing a folder that others use harms them.
        let content = try? FileManager.default.contentsOfDirectory(atPath: path)
        guard found.st_uid == geteuid(), content?.isEmpty == true, unsafe chmod(path, 0o700) == 0 else {
            throw Failure(
                .io,
                "\(path) cannot be used: others may enter it (mode 0\(String(found.st_mode & 0o777, radix: 8)))",
                hint: "choose a folder of its own, or set mode 0700")
        }
    }
}
