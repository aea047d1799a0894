import CLinux
import Fuse
import Glibc
package import Logging
package import Secrets
import Synchronization

/// Answers commands on the socket of an agent or a server, each connection on a thread of its own: a command that stops
/// in the middle holds up nobody. Who wants to may ask several times over one connection.
package final class CommandSocket: Sendable {
    package typealias Handler = @Sendable (AgentRequest, AuditActor, [OwnedDescriptor]) throws -> AgentAnswer
    private static let maximumConnections = 64
    /// A connection over which nothing is asked for so long is closed.
    private static let idleSeconds = 10

    private let socket: OwnedDescriptor
    private let trail: any AuditTrail
    private let log: Logger
    private let connections = Atomic(0)
    private let handler: Handler
    private let onStop: @Sendable () -> Void

    /// - Parameter onStop: called when `stop` was answered.
    package init(
        _ socket: OwnedDescriptor, _ trail: any AuditTrail, _ log: Logger,
        onStop: @escaping @Sendable () -> Void = {}, _ handler: @escaping Handler
    ) {
        self.socket = socket
        self.trail = trail
        self.log = log
        self.onStop = onStop
        self.handler = handler
    }

    /// Accepts until the socket is shut down.
    package func run() {
        AcceptLoop.run(socket, log) { connection in
            AgentSocket.setTimeout(connection, seconds: Self.idleSeconds)
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

    package func close() { shutdown(socket.raw, Int32(SHUT_RDWR)) }

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
            while true {
                let (request, descriptors) = try AgentMessage.receive(AgentRequest.self, over: connection)
                let answer: AgentAnswer
                do { answer = try handler(request, peer, descriptors) } catch {
                    answer = AgentAnswer(Failure(any: error))
                }
                try AgentMessage.send(answer, over: connection)
                if case .stop = request { onStop() }
            }
        } catch {
            // Mostly: nothing more is asked.
            log.debug("a connection has ended", metadata: ["reason": "\(error.message)"])
        }
    }
}
