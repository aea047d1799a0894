import CLinux
import Console
import FoundationEssentials
import Fuse
import Glibc
import Logging
import Secrets
import Store

/// The agent's second socket, which every user of the machine may connect to. In a folder that only the agent's user can
/// change, so that nobody else listens there.
enum PublicSocket {
    private static let base = MountFolder.base + "/agents"

    private static func folder(of uid: UInt32) -> String { "\(base)/\(uid)" }

    /// By the state folder's path without symbolic links, as far as this user can follow them. Two agents of one user
    /// have two folders, so two names.
    private static func name(_ state: StateDirectory) -> String {
        let path = unsafe realpath(state.path, nil)
        defer { unsafe free(path) }
        let text = unsafe path.map { unsafe String(cString: $0) } ?? plain(state.path)
        let hash = (try? unsafe sha256(Array(text.utf8).span.bytes)) ?? []
        return hexadecimal(Array(hash.prefix(16))) + ".sock"
    }

    private static func plain(_ path: String) -> String {
        "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    // MARK: For the agent

    /// - Returns: nil, with a line in the log, where there can be none: the agent then serves root and its own user.
    static func listen(_ state: StateDirectory, _ log: Logger) -> OwnedDescriptor? {
        let folder = folder(of: geteuid())
        do throws(Failure) {
            if geteuid() == 0 {
                // `self` is where programs of `secretfs run` have their mounts.
                for path in [MountFolder.base, base, folder, MountFolder.ofPrograms] { try make(path) }
            }
            guard isSafe(folder, uid: geteuid()) else {
                throw Failure(.denied, "\(folder) does not exist, or others may write there")
            }
            return try AgentSocket.listen(on: name(state), in: folder, mode: 0o666)
        } catch {
            // An agent of an ordinary user mostly has nobody else to serve.
            let level: Logger.Level = geteuid() == 0 ? .warning : .debug
            log.log(
                level: level, "listed users cannot ask this agent for mounts",
                metadata: ["reason": "\(error.message)"])
            return nil
        }
    }

    /// Nobody else listens there as long as this agent runs.
    static func remove(_ state: StateDirectory) {
        unsafe unlink(folder(of: geteuid()) + "/" + name(state))
    }

    private static func make(_ path: String) throws(Failure) {
        // Not by the umask, which a service sets to 0077.
        if unsafe mkdir(path, 0o755) == 0 { unsafe chmod(path, 0o755) }
        guard isSafe(path, uid: 0) else {
            throw Failure(.denied, "\(path) cannot be made, or others may write there: \(errnoText())")
        }
    }

    /// Whether only `uid`, and root, can put something there.
    private static func isSafe(_ path: String, uid: UInt32) -> Bool {
        guard let found = Files.status(path) else { return false }
        return found.st_mode & S_IFMT == S_IFDIR && found.st_uid == uid && found.st_mode & 0o022 == 0
    }

    // MARK: For commands

    /// Whether the store of `state` is another user's, whose agent must be asked here.
    static func isNeeded(for state: StateDirectory) -> Bool {
        guard geteuid() != 0 else { return false }
        guard let found = Files.target(state.path) else { return errno == EACCES }
        return found.st_uid != geteuid()
    }

    /// A connection to the agent of `state`, run by root or the owner of that folder: what it gets is a mount.
    ///
    /// - Returns: nil if none listens.
    static func connect(_ state: StateDirectory) throws(Failure) -> OwnedDescriptor? {
        var users: [UInt32] = [0]
        if let owner = Files.target(state.path)?.st_uid, owner != 0 { users.insert(owner, at: 0) }
        let name = name(state)
        for uid in users {
            let socket = try AgentSocket.make()
            let result = unsafe AgentSocket.withAddress(of: name, in: folder(of: uid)) {
                unsafe Glibc.connect(socket.raw, $0, $1)
            }
            if result == 0, isServer(of: socket, uid) { return socket }
        }
        return nil
    }

    private static func isServer(of socket: OwnedDescriptor, _ uid: UInt32) -> Bool {
        (try? DescriptorPassing.peer(of: socket.raw))?.uid == uid
    }
}
