import ArgumentParser
import CLinux
import Console
import FoundationEssentials
import Fuse
import Glibc
import SecretFS
import Secrets
import Store

/// Who owns the files of a mount; for `mount` and `run`.
struct OwnerOptions: ParsableArguments {
    @Option(help: "The user that owns the files, name or number. Default: the user that mounts.")
    var uid: String?
    @Option(help: "The group of the files, name or number. Default: the group that mounts.")
    var gid: String?
    @Option(help: "The permissions of the files, octal, some of 0444. The directory's follow.") var mode =
        standardMode
    static let standardMode = "0400"

    /// Whether it says anything.
    var isGiven: Bool { uid != nil || gid != nil || mode != Self.standardMode }

    func parsed() throws(Failure) -> MountAttributes {
        let user = try uid.map { text throws(Failure) in try CallerText.user(text) } ?? getuid()
        let group = try gid.map { text throws(Failure) in try CallerText.group(text) } ?? getgid()
        guard let bits = UInt16(mode, radix: 8),
            let attributes = MountAttributes(uid: user, gid: group, fileMode: bits)
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
              secretfs mount nlp/Summarizer ~/secrets --state /var/lib/secretfs
            A user whom an administrator listed (secretfs mounters, secretfs admin) names the store's folder with \
            --state or SECRETFS_STATE; its agent must run.
            """)
    @OptionGroup var state: StateOptions
    @OptionGroup var owner: OwnerOptions
    @Option(
        help: ArgumentHelp(
            "Show the whole store as a writable tree in this directory.", valueName: "directory"),
        completion: .directory)
    var admin: String?
    @Option(
        help: ArgumentHelp(
            "Wait until providers have given all values (30s, 5m); if they do not, unmount and fail.",
            valueName: "time"))
    var wait: String?
    @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String?
    @Argument(help: "An empty directory.", completion: .directory) var directory: String?

    func validate() throws {
        guard admin == nil else {
            guard algorithm == nil, owner.mode == OwnerOptions.standardMode, wait == nil else {
                throw ValidationError("--admin DIRECTORY takes no algorithm, no --mode and no --wait")
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
        let seconds = try wait.map { try ProviderOptions.seconds($0, "--wait", 1...86_400) }
        var serving = Serving(options: state)
        try serving.prepare(owner)
        let path = absolute(directory)
        try MountFolder.makeOurs(path)
        let mounted = try serving.mount(name, at: path, attributes, isPrivate: false)
        if let seconds {
            do { try ExternalWait.wait(for: name, seconds, AgentClient(state: try state.directory)) } catch {
                try? Mounting.unmount(mounted, lazily: true)
                MountFolder.removeOurs(path)
                throw error
            }
        }
        Output.line("Mounted \(name) at \(printable(mounted)).")
    }

    private func mountAdmin(at path: String) throws {
        let attributes = try owner.parsed()
        var serving = Serving(options: state)
        try serving.prepare(owner)
        try MountFolder.makeOurs(path)
        let mounted = try serving.mountAdmin(at: path, uid: attributes.uid, gid: attributes.gid)
        Output.line("Mounted the store for administration at \(printable(mounted)).")
    }
}

struct UnmountCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmount", abstract: "Unmount a directory that mount mounted, served or not.",
        discussion: """
            A directory below /run/secretfs that mount made goes too.
            Example:
              secretfs unmount /run/secretfs/summarizer
            """)
    @Argument(help: "The mount point.", completion: Completion.mountPoints) var directory: String
    @Flag(help: "Hide it at once, and end it when no process uses it any more.") var lazy = false

    func run() throws {
        try Mounting.unmount(absolute(directory), lazily: lazy)
        MountFolder.removeOurs(absolute(directory))
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
        /// agent serves it), dead (nobody does), withheld (what it is to show could not be read, so it opens nothing).
        let state: String
        var algorithm: String?
        var entries: Int?
        var generation: UInt64?
        var uid: UInt32?
        var gid: UInt32?
        var mode: String?
        /// Whether a listed user asked for it; then mountPoint is what they say.
        var listed: Bool?
        var since: String?
    }

    func run() throws {
        let directory = try state.directory
        let others = PublicSocket.isNeeded(for: directory) ? try PublicClient.mounts(directory) : nil
        let served = try others ?? AgentClient(state: directory).mounts() ?? []
        var rows = served.map { mount in
            Row(
                mountPoint: mount.mountPoint,
                state: state(of: mount),
                algorithm: mount.algorithm, entries: mount.entries, generation: mount.generation,
                uid: mount.uid,
                gid: mount.gid, mode: mount.mode, listed: mount.isListed, since: mount.since)
        }
        for entry in (try? MountTable.current().ours) ?? [] {
            // Where a listed user says that a mount is, there may be another's.
            let isKnown = served.contains {
                $0.mountPoint == entry.point && (!$0.isListed || $0.uid == entry.user)
            }
            guard !isKnown else { continue }
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

    private func state(of mount: ServedMountReport) -> String {
        if mount.isWithheld { return "withheld" }
        return mount.algorithm == nil ? "admin" : mount.isPrivate ? "private" : "served"
    }
}
