import CLinux
import Console
import Fuse
import Glibc
import Logging
import SecretFS
import Secrets
import Store
import Synchronization

/// Answers commands on the agent's socket, each connection on a thread of its own: a command that stops in
/// the middle holds up nobody.
final class AgentServer: Sendable {
    private static let maximumConnections = 64

    private let socket: OwnedDescriptor
    private let mounts: ServedMounts
    private let keys: AgentKeys
    private let trail: any AuditTrail
    private let adminMounts: AdminMounts
    private let follower: Follower
    private let node: NodeViews?
    private let log: Logger
    private let started = Timestamp.now()
    private let connections = Atomic(0)
    private let onStop: @Sendable () -> Void

    init(
        _ socket: OwnedDescriptor, _ mounts: ServedMounts, _ adminMounts: AdminMounts, _ keys: AgentKeys,
        _ trail: any AuditTrail, _ follower: Follower, _ node: NodeViews?, _ log: Logger,
        onStop: @escaping @Sendable () -> Void
    ) {
        self.socket = socket
        self.mounts = mounts
        self.keys = keys
        self.trail = trail
        self.adminMounts = adminMounts
        self.follower = follower
        self.node = node
        self.log = log
        self.onStop = onStop
    }

    /// Accepts until the socket is shut down.
    func run() {
        AcceptLoop.run(socket, log) { connection in
            AgentSocket.setTimeout(connection, seconds: 10)
            guard let peer = allowedPeer(connection) else { return }
            guard connections.add(1, ordering: .relaxed).newValue <= Self.maximumConnections else {
                connections.subtract(1, ordering: .relaxed)
                return
            }
            do {
                try Thread(named: "command") { [self] in
                    answer(connection, peer)
                    connections.subtract(1, ordering: .relaxed)
                }.detach()
            } catch {
                connections.subtract(1, ordering: .relaxed)
                log.error("no thread for a command", metadata: ["reason": "\(error)"])
            }
        }
    }

    func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }

    /// The socket's mode says so already; this holds where a folder was opened by mistake.
    private func allowedPeer(_ connection: OwnedDescriptor) -> AuditActor? {
        guard let peer = try? DescriptorPassing.peer(of: connection.raw) else { return nil }
        let actor = AuditActor(waiting: peer.process, uid: peer.uid, gid: peer.gid)
        guard peer.uid == geteuid() || peer.uid == 0 else {
            log.warning("a command of another user was refused", metadata: ["uid": "\(peer.uid)"])
            _ = try? trail.record(AuditEvent(.command, .denied, by: actor)) { _ in }
            return nil
        }
        return actor
    }

    private func answer(_ connection: OwnedDescriptor, _ peer: AuditActor) {
        do {
            let (request, descriptors) = try AgentMessage.receive(AgentRequest.self, over: connection)
            let answer: AgentAnswer
            do {
                answer = try self.answer(request, peer, descriptors)
            } catch {
                answer = AgentAnswer(Failure(any: error))
            }
            try AgentMessage.send(answer, over: connection)
            if case .stop = request { onStop() }
        } catch {
            log.debug("a command was not answered", metadata: ["reason": "\(error.message)"])
        }
    }

    private func answer(
        _ request: AgentRequest, _ peer: AuditActor, _ descriptors: [OwnedDescriptor]
    ) throws -> AgentAnswer {
        switch request {
        case .status:
            return .status(
                AgentStatus(
                    version: CommandProgram.version, pid: getpid(),
                    mounts: mounts.count + adminMounts.mounts.count, started: started.description,
                    sealed: keys.isSealed, keysOutdated: keys.isOutdated, node: node?.status))
        case .mounts(let skip):
            let all =
                mounts.mounts.map(ServedMountReport.init) + adminMounts.mounts.map(ServedMountReport.init)
            return .mounts(ServedMountReport.page(of: all, skip: skip))
        case .serve(let request):
            guard let device = descriptors.first else {
                throw Failure(.badInput, "no FUSE descriptor came with the request")
            }
            try mounts.serve(request, by: peer, on: device, keeper: descriptors.dropFirst().first)
            return .done
        case .seal:
            keys.seal()
            // Afterwards: an agent can be sealed also where nothing can be recorded.
            try trail.record([AuditEvent(.seal, by: peer)])
            return .done
        case .unseal:
            let key = try rootKey(descriptors)
            try trail.record([AuditEvent(.unseal, by: peer)])
            do { try keys.unseal(key) } catch {
                try? trail.record([AuditEvent(.unseal, .failed, by: peer)])
                throw error
            }
            return .done
        case .expect(let keyring):
            try keys.expect(Array(keyring), try rootKey(descriptors))
            return .done
        case .serveAdmin(let request):
            if let node { throw StoreError.isNode(server: node.status.server) }
            // Whoever else may ask for a mount some day may not ask for this one.
            guard let uid = peer.uid, [0, geteuid()].contains(uid)
            else { throw Failure(.denied, "only root and the agent's user may have an admin mount") }
            guard let device = descriptors.first else {
                throw Failure(.badInput, "no FUSE descriptor came with the request")
            }
            try adminMounts.serve(request, by: peer, on: device, keeper: descriptors.dropFirst().first)
            return .done
        case .shown(let revision):
            guard follower.show(upTo: Revision(rawValue: revision)) else {
                throw Failure(.retry, "the agent cannot show changes now")
            }
            return .done
        case .stop:
            return .done
        }
    }
}

extension AgentServer {
    /// What the command has written into its pipe before it asked.
    private func rootKey(_ descriptors: [OwnedDescriptor]) throws -> RootKey {
        guard let pipe = descriptors.first else {
            throw Failure(.badInput, "no root key came with the request")
        }
        // A pipe that is empty must not hold this thread.
        _ = fcntl(pipe.raw, F_SETFL, O_NONBLOCK)
        return try RootKey.read(from: pipe.raw)
    }
}
