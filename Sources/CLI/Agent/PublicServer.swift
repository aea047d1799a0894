import CLinux
import Console
import Fuse
import Glibc
import Logging
import SecretFS
import Secrets
import Store
import Synchronization

/// Answers listed users. Each connection has a thread of its own, of which a user has a few and all together have a few
/// more: whoever sends nothing or reads nothing holds up only their own. No descriptor is taken (`DeviceCopy`). Nothing here is shared with the socket of root's commands.
final class PublicServer: Sendable {
    private let socket: OwnedDescriptor
    private let store: SecretStore
    private let mounts: ServedMounts
    private let adminMounts: AdminMounts
    private let trail: any AuditTrail
    private let log: Logger
    // Whoever asks does so once.
    private let callers = ProcessResolver(remembers: false) { _, _ in nil }
    private let processNamespace = NamespaceID.ofProcesses()
    private let budget = ConnectionBudget()

    init(
        _ socket: OwnedDescriptor, _ store: SecretStore, _ mounts: ServedMounts, _ adminMounts: AdminMounts,
        _ trail: any AuditTrail, _ log: Logger
    ) {
        self.socket = socket
        self.store = store
        self.mounts = mounts
        self.adminMounts = adminMounts
        self.log = log
        self.trail = trail
    }

    /// Accepts until the socket is shut down.
    func run() {
        AcceptLoop.run(socket, log) { connection in
            // Closed at once: the command connects again later.
            guard let peer = try? DescriptorPassing.peer(of: connection.raw), budget.take(peer.uid) else {
                return
            }
            AgentSocket.setTimeout(connection, seconds: PublicProtocol.requestSeconds)
            do {
                try Thread(named: "public") { [self] in
                    answer(connection, peer)
                    budget.giveBack(peer.uid)
                }.detach()
            } catch {
                budget.giveBack(peer.uid)
                log.error("no thread for a listed user", metadata: ["reason": "\(error)"])
            }
        }
    }

    func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }

    private func answer(_ connection: OwnedDescriptor, _ peer: Peer) {
        defer { connection.closeNow() }
        do {
            try? DescriptorPassing.send(Frame(bytes: PublicProtocol.greeting), over: connection.raw)
            let (request, _) = try AgentMessage.receive(
                PublicRequest.self, upTo: PublicProtocol.maximumMessage, descriptors: 0, over: connection)
            let answer: AgentAnswer
            do {
                answer = try self.answer(request, try self.peer(connection, peer), connection)
            } catch {
                answer = AgentAnswer(Failure(any: error))
            }
            try AgentMessage.send(answer, over: connection)
        } catch {
            log.debug("a listed user was not answered", metadata: ["reason": "\(error.message)"])
        }
    }

    private func peer(_ connection: OwnedDescriptor, _ peer: Peer) throws(Failure) -> PublicPeer {
        do { return try PublicPeer(connection, peer, callers) } catch {
            record(denialOf: AuditActor(uid: peer.uid, gid: peer.gid), nil, error.message)
            throw error
        }
    }

    private func answer(
        _ request: PublicRequest, _ peer: PublicPeer, _ connection: OwnedDescriptor
    ) throws -> AgentAnswer {
        switch request {
        case .mounts(let skip):
            let own =
                mounts.mounts.filter { $0.user == peer.uid }.map(ServedMountReport.init)
                + adminMounts.mounts.filter { $0.user == peer.uid }.map(ServedMountReport.init)
            return .mounts(ServedMountReport.page(of: own, skip: skip))
        case .mount(let algorithm, let point, let isPrivate):
            let name = try AlgorithmName(algorithm)
            try check(point)
            try decide(about: name, peer) { ListedUsers.allow(peer.uid, try store.mounters(of: name)) }
            let request = ServeRequest(
                algorithm: name.description, mountPoint: point, uid: peer.uid, gid: peer.gid,
                fileMode: MountAttributes.defaultFileMode, isPrivate: isPrivate,
                processNamespace: processNamespace)
            do {
                try mounts.serve(
                    request, by: peer.actor, on: try device(over: connection), keeper: nil, for: peer.uid)
            } catch is NotListed {
                throw deny(name, to: peer)
            }
        case .administer(let point):
            try check(point)
            try decide(about: nil, peer) { ListedUsers.allow(peer.uid, try store.administrators()) }
            let request = AdminServeRequest(
                mountPoint: point, uid: peer.uid, gid: peer.gid, processNamespace: processNamespace)
            try adminMounts.serve(
                request, by: peer.actor, on: try device(over: connection), keeper: nil, for: peer.uid)
            // Somebody may have been taken off the list meanwhile.
            adminMounts.endUnlisted()
        }
        return .done
    }

    // MARK: Deciding

    /// So that how long a denial takes tells nothing: they leave at whole multiples of this after the question.
    private static let denialNanoseconds: UInt64 = 100_000_000

    /// Returns if `isListed` says so. Whatever else comes of it is one answer, the same whether there is such an algorithm
    /// or not.
    private func decide(
        about name: AlgorithmName?, _ peer: PublicPeer, _ isListed: () throws -> Bool
    ) throws {
        let begin = linux_monotonic_nanoseconds()
        // Before anything is looked up, so the same for every question.
        guard !store.isSealed else { throw StoreError.sealed }
        do {
            if try isListed() { return }
        } catch StoreError.algorithmMissing {
        } catch {
            log.warning(
                "whether a user is listed cannot be told",
                metadata: ["uid": "\(peer.uid)", "reason": "\(Failure(any: error).message)"])
        }
        let denial = deny(name, to: peer)
        let taken = linux_monotonic_nanoseconds() - begin
        usleep(UInt32((Self.denialNanoseconds - taken % Self.denialNanoseconds) / 1000))
        throw denial
    }

    private func deny(_ name: AlgorithmName?, to peer: PublicPeer) -> Failure {
        record(denialOf: peer.actor, name, name == nil ? "for administration" : nil)
        return Self.denial(of: name, to: peer.uid)
    }

    private func record(denialOf actor: AuditActor, _ name: AlgorithmName?, _ detail: String?) {
        let event = AuditEvent(
            .mount, .denied, by: actor, home: name.map { .algorithm($0) }, detail: detail)
        // It is denied in any case.
        try? trail.record([event])
    }

    private static func denial(of name: AlgorithmName?, to uid: UInt32) -> Failure {
        guard let name else {
            return Failure(
                .denied, "user \(uid) is not listed as an administrator of this store",
                hint: "ask somebody who may: secretfs admin add \(uid)")
        }
        return Failure(
            .denied, "there is no algorithm \(name), or user \(uid) is not listed to mount it",
            hint: "ask an administrator: secretfs mounters \(name) --add \(uid)")
    }

    /// The connection of the mount that is to be served.
    ///
    /// - Throws: a fact, for somebody who is listed.
    private func device(over connection: OwnedDescriptor) throws -> OwnedDescriptor {
        do {
            let lent = OwnedDescriptor(try DeviceCopy.open())
            try DescriptorPassing.send(
                Frame(bytes: PublicProtocol.lent, descriptors: [lent.raw]), over: connection.raw)
            let reply = try DescriptorPassing.receive(upTo: 64, descriptors: 0, over: connection.raw)
            guard reply.bytes == PublicProtocol.attached else {
                throw Failure(.badInput, "the command does not say that the device is attached")
            }
            return OwnedDescriptor(try DeviceCopy.make(of: lent.raw))
        } catch DeviceCopy.Failure.notMounted {
            throw Failure(.badInput, "nothing is mounted on the connection that was offered")
        } catch DeviceCopy.Failure.notPermitted(let errno) {
            throw Failure(
                .unavailable, "the agent may not open /dev/fuse: \(errnoText(errno))",
                hint: "its service needs DeviceAllow=/dev/fuse rw, and no PrivateDevices=yes")
        }
    }

    /// It is shown to administrators and recorded, and is never used as a path.
    private func check(_ point: String) throws(Failure) {
        guard point.hasPrefix("/"), point.utf8.count <= PublicProtocol.maximumMountPoint,
            point.unicodeScalars.allSatisfy({ ![.control, .format].contains($0.properties.generalCategory) })
        else {
            throw Failure(
                .badInput, "the path of the mount point is too long, or has characters that are not shown",
                hint: "mount elsewhere")
        }
    }
}

/// How many connections are open, by user.
private final class ConnectionBudget: Sendable {
    static let ofUser = 8
    static let ofAll = 64
    private let open = Mutex<[UInt32: Int]>([:])

    func take(_ uid: UInt32) -> Bool {
        open.withLock { open in
            guard open[uid, default: 0] < Self.ofUser, open.values.reduce(0, +) < Self.ofAll else {
                return false
            }
            open[uid, default: 0] += 1
            return true
        }
    }

    func giveBack(_ uid: UInt32) {
        open.withLock { open in
            let left = open[uid, default: 1] - 1
            open[uid] = left > 0 ? left : nil
        }
    }
}
