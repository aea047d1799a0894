import Console
import Crypto
import FoundationEssentials
import Link
import Logging
import NIOCore
import NIOSSL
import Secrets
import Store

/// The beginning of a connection: who is it, and what may it do?
struct NodeHandshake {
    private let connection: FrameChannel
    private let parts: NodeParts
    private let address: String
    /// Among strangers.
    private let number: UInt64

    init(_ connection: FrameChannel, _ parts: NodeParts, _ number: UInt64) {
        self.number = number
        self.connection = connection
        self.parts = parts
        address = connection.channel.remoteAddress?.ipAddress ?? "unknown"
    }

    /// Serves the connection to its end.
    ///
    /// - Returns: the session that it had, if it was a node's.
    func run() async -> NodeSession? {
        let timer = NodeListener.limit(connection.channel)
        defer { timer.cancel() }
        do {
            return try await connection.executeThenClose { inbound, outbound in
                var frames = inbound.makeAsyncIterator()
                // With the first frame the TLS handshake is over.
                guard let first = try await frames.next() else { return nil }
                guard let message = try? LinkMessage(decoding: first) else {
                    try await outbound.send(.refused(.malformed))
                    return nil
                }
                switch message {
                case .enroll(let enrollment):
                    try await outbound.send(await enroll(enrollment))
                    return nil
                case .hello:
                    guard let node = try await identify() else {
                        try await outbound.send(.refused(.revoked))
                        return nil
                    }
                    timer.cancel()
                    return await serve(node.node, node.mark, &frames, outbound)
                default:
                    try await outbound.send(.refused(.malformed))
                    return nil
                }
            }
        } catch {
            parts.log.debug("a node's connection ended", metadata: ["reason": "\(type(of: error))"])
            return nil
        }
    }

    private func serve(
        _ node: Node, _ mark: [UInt8],
        _ frames: inout NIOAsyncChannelInboundStream<[UInt8]>.AsyncIterator, _ outbound: FrameWriter
    ) async -> NodeSession {
        let session = NodeSession(node, mark, address, parts)
        parts.hub.add(session, AddressLimit.Client(connection.channel.remoteAddress), number)
        try? await connection.channel.pipeline.handler(type: FrameLimits.self).map {
            $0.limit.raise(to: NodeSession.maximumFrame)
        }.get()
        let name: Logger.Metadata = ["node": "\(node.name)", "address": "\(address)"]
        parts.log.info("a node is connected", metadata: name)
        let channel = connection.channel
        let reason = await session.run(&frames, outbound) { channel.close(promise: nil) }
        parts.log.info("a node is gone", metadata: name.merging(["reason": "\(reason)"]) { $1 })
        return session
    }

    // MARK: A node that is known

    /// The node whose certificate this is: by the CA, which TLS has checked, and in the node's record.
    private func identify() async throws -> (node: Node, mark: [UInt8])? {
        guard let certificate = try await connection.channel.nioSSL_peerCertificate().get() else {
            return nil
        }
        let bytes = try certificate.toDERBytes()
        let mark = Array(SHA256.hash(data: bytes))
        let name = try NodeCertificates.commonName(of: bytes).flatMap { try? NodeName($0) }
        let (store, trail) = (parts.store, parts.trail)
        let address = address
        return try await parts.work.runInTurn(.reading) { () throws -> (node: Node, mark: [UInt8])? in
            let node = try name.flatMap { name in try Self.node(name, in: store) }
            let isKnown = node.map { !$0.isRevoked && $0.certificates.contains(mark) } ?? false
            let actor = AuditActor.node(name, at: address)
            try trail.record([
                AuditEvent(.nodeConnect, isKnown ? .ok : .denied, by: actor, detail: name?.text)
            ])
            guard isKnown, let node else { return nil }
            return (node, mark)
        }
    }

    private static func node(_ name: NodeName, in store: SecretStore) throws(StoreError) -> Node? {
        do { return try store.node(name) } catch .nodeMissing { return nil }
    }

    // MARK: A machine that is to become one

    private func enroll(_ enrollment: LinkEnrollment) async -> LinkMessage {
        guard parts.throttle.mayTry(address) else { return .refused(.throttled) }
        guard enrollment.sealingKey.count == Node.sealingKeyCount,
            enrollment.request.count <= Membership.maximumCertificateCount
        else { return .refused(.malformed) }
        do {
            let (parts, address) = (parts, address)
            return try await parts.work.runInTurn(.changing) { try Self.enroll(enrollment, parts, address) }
        } catch StoreError.enrollmentRefused {
            return await refuse(.token)
        } catch StoreError.nodeExists {
            return await refuse(.exists)
        } catch is LinkError {
            return await refuse(.malformed)
        } catch {
            parts.log.error(
                "a node cannot be enrolled", metadata: ["reason": "\(Failure(any: error).message)"])
            return .refused(.unavailable)
        }
    }

    private static func enroll(
        _ enrollment: LinkEnrollment, _ parts: NodeParts, _ address: String
    ) throws -> LinkMessage {
        let store = parts.store
        let name = try store.enrollment(enrollment.token, enrollment.secret)
        guard let authority = try store.authority() else { throw StoreError.enrollmentRefused }
        let certificate = try OwnAuthority.issue(
            from: store, for: enrollment.request, of: name, holding: parts.certificateSeconds)
        // Until here the certificate is worth nothing: no node has it.
        let node = try AuditActor.$current.withValue(.node(name, at: address)) {
            try store.enroll(
                enrollment.token, enrollment.secret, as: UUID(), sealingKey: enrollment.sealingKey,
                certificate: Array(SHA256.hash(data: certificate)), by: .thisProcess)
        }
        parts.log.info("a node was enrolled", metadata: ["node": "\(name)", "address": "\(address)"])
        return .enrolled(LinkWelcome(node), certificate: certificate, authority: authority.certificate)
    }

    private func refuse(_ refusal: LinkRefusal) async -> LinkMessage {
        parts.throttle.noteFailure(address)
        let event = AuditEvent(.nodeEnroll, .denied, by: .node(nil, at: address))
        let store = parts.store
        try? await parts.work.runInTurn(.changing) { try store.trail.record([event]) }
        return .refused(refusal)
    }
}

extension AuditActor {
    static func node(_ name: NodeName?, at address: String) -> AuditActor {
        var actor = AuditActor(user: name.map { "node \($0)" })
        actor.address = address
        return actor
    }
}
