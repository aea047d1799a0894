import Console
import Fuse
import Glibc
import SecretFS
import Secrets

/// Mounting and finding an agent for it; for `mount` and `run`.
struct Serving {
    let options: StateOptions
    /// The connection to another user's agent, where that is to serve.
    private var other: PublicClient?

    init(options: StateOptions) { self.options = options }

    /// Whether another user's agent is to serve.
    var isOfOther: Bool { other != nil }

    /// Finds the agent, and starts one if none runs and it would be this user's. Before anything is mounted: a passphrase
    /// may have to be asked for, and in a user namespace another's agent cannot be told from somebody else.
    ///
    /// - Parameter owner: what was asked for; another's agent gives files to nobody but who asks.
    /// - Returns: whether one was started now.
    @discardableResult
    mutating func prepare(_ owner: OwnerOptions) throws -> Bool {
        let state = try options.directory
        guard PublicSocket.isNeeded(for: state) else {
            return try AgentStart(options: options).ensureRunning()
        }
        guard !owner.isGiven else {
            throw Failure(
                .usage, "in a mount of another user's store the files are yours, with mode 0400",
                hint: "leave --uid, --gid and --mode away")
        }
        guard let client = try PublicClient.connect(state) else { throw PublicClient.missing(state) }
        other = client
        return false
    }

    /// - Returns: where it is mounted, without symbolic links.
    @discardableResult
    func mount(
        _ name: AlgorithmName, at path: String, _ attributes: MountAttributes, isPrivate: Bool
    ) throws -> String {
        let namespace = NamespaceID.ofProcesses()
        let mounted = try mount(at: path, .readOnly)
        if let other {
            let request = PublicRequest.mount(
                algorithm: name.description, mountPoint: mounted.path, isPrivate: isPrivate)
            return try handOver(mounted) { try other.serve(request, mounted) }
        }
        let request = ServeRequest(
            algorithm: name.description, mountPoint: mounted.path, uid: attributes.uid, gid: attributes.gid,
            fileMode: attributes.fileMode, isPrivate: isPrivate, processNamespace: namespace)
        return try handOver(mounted) { client in try client.serve(request, mounted) }
    }

    /// The store as a writable tree.
    func mountAdmin(at path: String, uid: UInt32, gid: UInt32) throws -> String {
        let namespace = NamespaceID.ofProcesses()
        let mounted = try mount(at: path, .writable)
        if let other {
            let request = PublicRequest.administer(mountPoint: mounted.path)
            return try handOver(mounted) { try other.serve(request, mounted) }
        }
        let request = AdminServeRequest(
            mountPoint: mounted.path, uid: uid, gid: gid, processNamespace: namespace)
        return try handOver(mounted) { client in try client.serveAdmin(request, mounted) }
    }

    /// Another's agent does not keep anything of ours open, so that fusermount3 would see no difference between its end
    /// and ours: then it does not stay.
    private func mount(at path: String, _ access: MountAccess) throws(MountError) -> Mounted {
        try Mounting.mount(
            at: path, allowOthers: geteuid() == 0, access: access, isWatched: !isOfOther)
    }

    /// Gives the mount to the agent. An idle one may end just as it is asked; then another one is started.
    private func handOver(
        _ mounted: Mounted, _ serve: (AgentClient) throws -> Void
    ) throws -> String {
        try handOver(mounted) {
            let client = AgentClient(state: try options.directory)
            do {
                try serve(client)
            } catch let failure as Failure where failure.status == .unavailable {
                try AgentStart(options: options).ensureRunning()
                try serve(client)
            }
        }
    }

    private func handOver(_ mounted: Mounted, _ serve: () throws -> Void) throws -> String {
        do { try serve() } catch {
            // Nothing half-done: what nobody serves is not left behind.
            try? Mounting.unmount(mounted.path, lazily: true)
            throw error
        }
        close(mounted.descriptor)
        if let keeper = mounted.keeper { close(keeper) }
        return mounted.path
    }
}
