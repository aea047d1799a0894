import Console
import Crypto
import Glibc
import Link
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Secrets
import ServiceLifecycle
import Store

typealias FrameChannel = NIOAsyncChannel<[UInt8], ByteBuffer>
typealias FrameWriter = NIOAsyncChannelOutboundWriter<ByteBuffer>

/// What every connection of a node needs.
struct NodeParts: Sendable {
    let store: SecretStore
    let hub: NodeHub
    let views: SharedViews
    let throttle = EnrollmentThrottle()
    let work: StoreWork
    /// For what nodes are refused.
    let trail: LimitedTrail
    /// In seconds: how long a node's certificate holds.
    let certificateSeconds: Int
    let log: Logger
}

/// The port of nodes: TLS 1.3, with certificates by the store's own CA on both sides. Who shows none can do one thing
/// there: redeem a token.
struct NodeListener: Service {
    private let server: NIOAsyncChannel<FrameChannel, Never>
    private let parts: NodeParts

    /// How long a peer may take to show who it is.
    private static let strangerSeconds: Int64 = 10

    static func bind(
        _ address: ListenAddress, _ certificates: CertificateSource, _ parts: NodeParts
    ) async throws -> NodeListener {
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .bind(host: address.host, port: address.port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = NIOSSLServerHandler(context: certificates.current)
                    try channel.pipeline.syncOperations.addHandler(handler)
                    let limit = FrameLimit(LinkFrame.maximumCountOfStranger)
                    try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(FrameDecoder(limit)))
                    // A node asks for little; only what it holds can be long.
                    let known = FrameLimits(limit)
                    try channel.pipeline.syncOperations.addHandler(known)
                    return try FrameChannel(wrappingChannelSynchronously: channel)
                }
            }
        let port = server.channel.localAddress?.port ?? address.port
        parts.log.info(
            "listening for nodes", metadata: ["address": "\(ListenAddress.text(address.host, port))"])
        return NodeListener(server: server, parts: parts)
    }

    func run() async throws {
        try parts.hub.start(parts.store)
        let parts = parts
        let channel = server.channel
        try await withGracefulShutdownHandler {
            try await server.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { group in
                    for try await connection in connections {
                        group.addTask { await Self.serve(connection, parts) }
                    }
                }
            }
        } onGracefulShutdown: {
            parts.hub.stop()
            channel.close(promise: nil)
        }
    }

    private static func serve(_ connection: FrameChannel, _ parts: NodeParts) async {
        let client = AddressLimit.Client(connection.channel.remoteAddress)
        let channel = connection.channel
        guard let number = parts.hub.enter(client, { channel.close(promise: nil) }) else {
            // A channel that is let go of without this ends the process.
            try? await connection.executeThenClose { _, _ in }
            return
        }
        let session = await NodeHandshake(connection, parts, number).run()
        parts.hub.leave(session, client, number)
    }

    /// Ends a connection that has not shown who it is in time.
    static func limit(_ channel: any Channel) -> Scheduled<Void> {
        channel.eventLoop.scheduleTask(in: .seconds(strangerSeconds)) { channel.close(promise: nil) }
    }
}

/// Lets a connection's handler be found, to allow it longer frames.
final class FrameLimits: ChannelInboundHandler, Sendable {
    typealias InboundIn = [UInt8]
    let limit: FrameLimit
    init(_ limit: FrameLimit) { self.limit = limit }
}

extension NIOAsyncChannelOutboundWriter<ByteBuffer> {
    func send(_ message: LinkMessage) async throws { try await write(ByteBuffer(bytes: message.frame())) }
}
