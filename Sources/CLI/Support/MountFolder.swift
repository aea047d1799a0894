import CLinux
import Console
import FoundationEssentials
import Glibc

/// Folders below /run/secretfs, which are ours to make.
enum MountFolder {
    static let base = "/run/secretfs"
    /// Where programs of `run` have their mounts, each in a mount namespace of its own.
    static let ofPrograms = base + "/self"

    /// Whether it is root's, so that nobody can put another directory in its place.
    static var isOfProgramsReady: Bool {
        [base, ofPrograms].allSatisfy { path in
            guard let found = Files.status(path) else { return false }
            return found.st_mode & S_IFMT == S_IFDIR && found.st_uid == 0 && found.st_mode & 0o022 == 0
        }
    }

    static func makeOurs(_ path: String) throws(Failure) {
        guard path.hasPrefix(base + "/"), !path.split(separator: "/").contains("..") else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        } catch {
            let isDenied = (error as? CocoaError)?.code == .fileWriteNoPermission
            throw Failure(
                isDenied ? .denied : .io,
                "\(path) cannot be made: \(isDenied ? "not permitted" : errnoText())",
                hint: "name another directory")
        }
        guard let found = Files.status(base), found.st_uid == 0, found.st_mode & 0o022 == 0 else {
            throw Failure(
                .denied, "\(base) is not root's alone: others could put another directory in its place",
                hint: "chown root \(base); chmod 0755 \(base)")
        }
    }

    /// Takes away what `makeOurs` made for a mount that has gone, as far as it is empty and as it was made.
    static func removeOurs(_ path: String) {
        let parts = path.dropFirst(base.count).split(separator: "/")
        guard path.hasPrefix(base + "/"), !parts.contains(".."), parts.first != "self",
            parts.first != "agents"
        else { return }
        for count in (1...max(parts.count, 1)).reversed() {
            let folder = base + "/" + parts.prefix(count).joined(separator: "/")
            guard let found = Files.status(folder), found.st_mode & (S_IFMT | 0o7777) == S_IFDIR | 0o755,
                found.st_uid == geteuid(), unsafe rmdir(folder) == 0
            else { return }
        }
    }

    /// Whether it is a directory that nobody but this user can enter.
    static func isClosed(_ path: String) -> Bool {
        guard let found = Files.status(path) else { return false }
        return found.st_mode & S_IFMT == S_IFDIR && found.st_uid == geteuid() && found.st_mode & 0o077 == 0
    }
}
