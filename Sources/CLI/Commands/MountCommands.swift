import ArgumentParser
import CLinux
import FoundationEssentials
import Fuse
import Glibc
import SecretFS
import Secrets
import Store

/// Who owns the files of a mount; for `mount` and `run`.
struct OwnerOptions: ParsableArguments {
    @Option(help: "The user that owns the files. Default: the user that mounts.") var uid: UInt32?
    @Option(help: "The group of the files. Default: the group that mounts.") var gid: UInt32?
    @Option(help: "The permissions of the files, octal, some of 0444. The directory's follow.") var mode =
        standardMode
    static let standardMode = "0400"

    func parsed() throws(Failure) -> MountAttributes {
        guard let bits = UInt16(mode, radix: 8),
            let attributes = MountAttributes(uid: uid ?? getuid(), gid: gid ?? getgid(), fileMode: bits)
        else {
            throw Failure(
                .badInput, "--mode is not a mode of a read-only file",
                hint: "for example 0400, 0440 or 0444")
        }
        return attributes
    }
}

struct MountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mount",
        abstract: "Show an algorithm's secrets as files in a directory, or the store as a writable tree.",
        discussion: """
            The directory must be empty; below /run/secretfs it is created. The agent that serves the mount is \
            started if none runs. With --admin the directory is the store for shells and scripts: mkdir makes an \
            algorithm or a secret, what is written to value replaces it, cat shows everything but values, rmdir \
            deletes.
            Examples:
              secretfs mount nlp/Summarizer /run/secretfs/summarizer
              secretfs mount nlp/Summarizer /srv/box/secrets --uid 1000 --gid 1000 --mode 0440
              secretfs mount --admin /run/secretfs/admin
            """)
    @OptionGroup var state: StateOptions
    @OptionGroup var owner: OwnerOptions
    @Option(
        help: ArgumentHelp(
            "Show the whole store as a writable tree in this directory.", valueName: "directory"),
        completion: .directory)
    var admin: String?
    @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String?
    @Argument(help: "An empty directory.", completion: .directory) var directory: String?

    func validate() throws {
        guard admin == nil else {
            guard algorithm == nil, owner.mode == OwnerOptions.standardMode else {
                throw ValidationError("--admin DIRECTORY takes no algorithm and no --mode")
            }
            return
        }
        guard algorithm != nil, directory != nil else {
            throw ValidationError("an algorithm and a directory are needed, or --admin DIRECTORY")
        }
    }

    func run() throws {
        if let admin { return try mountAdmin(at: absolute(admin)) }
        guard let algorithm, let directory else { return }
        let name = try AlgorithmName(algorithm)
        let attributes = try owner.parsed()
        let serving = Serving(options: state)
        try serving.prepare()
        let path = absolute(directory)
        try MountFolder.makeOurs(path)
        let mounted = try serving.mount(name, at: path, attributes, isPrivate: false)
        Output.line("Mounted \(name) at \(printable(mounted)).")
    }

    private func mountAdmin(at path: String) throws {
        let attributes = try owner.parsed()
        let serving = Serving(options: state)
        try serving.prepare()
        try MountFolder.makeOurs(path)
        let mounted = try serving.mountAdmin(at: path, uid: attributes.uid, gid: attributes.gid)
        Output.line("Mounted the store for administration at \(printable(mounted)).")
    }
}

struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "Unmount a directory that mount mounted, served or not.",
        discussion: "Example:\n  secretfs unmount /run/secretfs/summarizer")
    @Argument(help: "The mount point.", completion: .directory) var directory: String
    @Flag(help: "Hide it at once, and end it when no process uses it any more.") var lazy = false

    func run() throws {
        try Mounting.unmount(absolute(directory), lazily: lazy)
        Output.line("Unmounted \(printable(directory)).")
    }
}

struct MountsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mounts",
        abstract: "List the mounts that the agent serves, and others of secretfs: of another store, or dead.")
    @OptionGroup var state: StateOptions
    @Flag(help: "Print JSON.") var json = false

    private struct Row: Encodable {
        let mountPoint: String
        /// served, private (in a namespace of its own), admin (the store as a writable tree), other (another store's
        /// agent serves it), dead (nobody does).
        let state: String
        var algorithm: String?
        var entries: Int?
        var generation: UInt64?
        var uid: UInt32?
        var gid: UInt32?
        var mode: String?
        var since: String?
    }

    func run() throws {
        let served = try AgentClient(state: try state.directory).mounts() ?? []
        var rows = served.map { mount in
            Row(
                mountPoint: mount.mountPoint,
                state: mount.algorithm == nil ? "admin" : mount.isPrivate ? "private" : "served",
                algorithm: mount.algorithm, entries: mount.entries, generation: mount.generation,
                uid: mount.uid,
                gid: mount.gid, mode: mount.mode, since: mount.since)
        }
        let known = Set(served.map(\.mountPoint))
        for entry in (try? MountTable.current().ours) ?? [] where !known.contains(entry.point) {
            let state = MountHealth.of(entry) == .dead ? "dead" : "other"
            rows.append(Row(mountPoint: entry.point, state: state))
        }
        if json { return try Output.json(rows) }
        Output.table(
            ["MOUNT POINT", "ALGORITHM", "ENTRIES", "GENERATION", "STATE"],
            rows.map { row in
                [
                    printable(row.mountPoint), row.algorithm ?? "-", row.entries.map(String.init) ?? "-",
                    row.generation.map(String.init) ?? "-", row.state,
                ]
            })
    }
}

/// Mounting and finding an agent for it; for `mount` and `run`.
struct Serving {
    let options: StateOptions

    /// Starts an agent if none runs. Before anything is mounted: a passphrase may have to be asked for.
    ///
    /// - Returns: whether one was started now.
    @discardableResult
    func prepare() throws -> Bool { try AgentStart(options: options).ensureRunning() }

    /// - Returns: where it is mounted, without symbolic links.
    @discardableResult
    func mount(
        _ name: AlgorithmName, at path: String, _ attributes: MountAttributes, isPrivate: Bool
    ) throws -> String {
        let namespace = NamespaceID.ofProcesses()
        let mounted = try Mounting.mount(at: path, allowOthers: geteuid() == 0)
        let request = ServeRequest(
            algorithm: name.description, mountPoint: mounted.path, uid: attributes.uid, gid: attributes.gid,
            fileMode: attributes.fileMode, isPrivate: isPrivate, processNamespace: namespace)
        return try handOver(mounted) { client in try client.serve(request, mounted) }
    }

    /// The store as a writable tree.
    func mountAdmin(at path: String, uid: UInt32, gid: UInt32) throws -> String {
        let namespace = NamespaceID.ofProcesses()
        let mounted = try Mounting.mount(at: path, allowOthers: geteuid() == 0, access: .writable)
        let request = AdminServeRequest(
            mountPoint: mounted.path, uid: uid, gid: gid, processNamespace: namespace)
        return try handOver(mounted) { client in try client.serveAdmin(request, mounted) }
    }

    /// Gives the mount to the agent. An idle one may end just as it is asked; then another one is started.
    private func handOver(
        _ mounted: Mounted, _ serve: (AgentClient) throws -> Void
    ) throws -> String {
        do {
            let client = AgentClient(state: try options.directory)
            do {
                try serve(client)
            } catch let failure as Failure where failure.status == .unavailable {
                try prepare()
                try serve(client)
            }
        } catch {
            // Nothing half-done: what nobody serves is not left behind.
            try? Mounting.unmount(mounted.path, lazily: true)
            throw error
        }
        close(mounted.descriptor)
        if let keeper = mounted.keeper { close(keeper) }
        return mounted.path
    }
}

/// Folders below /run/secretfs, which are ours to make.
enum MountFolder {
    static let base = "/run/secretfs"

    static func makeOurs(_ path: String) throws(Failure) {
        guard path.hasPrefix(base + "/"), !path.split(separator: "/").contains("..") else { return }
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        } catch {
            throw Failure(.io, "\(path) cannot be made: \(errnoText())", hint: "name another directory")
        }
        guard let found = Files.status(base), found.st_uid == 0, found.st_mode & 0o022 == 0 else {
            throw Failure(
                .denied, "\(base) is not root's alone: others could put another directory in its place",
                hint: "chown root \(base); chmod 0755 \(base)")
        }
    }

    /// Whether it is a directory that nobody but this user can enter.
    static func isClosed(_ path: String) -> Bool {
        guard let found = Files.status(path) else { return false }
        return found.st_mode & S_IFMT == S_IFDIR && found.st_uid == geteuid() && found.st_mode & 0o077 == 0
    }
}
