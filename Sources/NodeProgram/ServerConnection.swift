import Glibc
import Link
import NIOCore
import NIOPosix
import NIOSSL
import PeerNames
import Secrets
import Store
import Synchronization

/// TLS connections to the server.
enum ServerConnection {
    private static let connectSeconds: Int64 = 5

    /// A connection whose server has shown a certificate by `authority`, for its name, and that is valid now.
    ///
    /// - Parameter identity: what we show; nil: nothing.
    static func open(
        host: String, port: UInt16, authority: [UInt8], identity: (certificate: [UInt8], key: SecretValue)?
    ) async throws -> FrameChannel {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = [NodeCertificates.applicationProtocol]
        configuration.trustRoots = .certificates([try NIOSSLCertificate(bytes: authority, format: .der)])
        if let identity {
            let chain = [try NIOSSLCertificate(bytes: identity.certificate, format: .der)]
            let key = try NodeCertificates.nioKey(try NodeCertificates.privateKey(identity.key))
            configuration.certificateChain = chain.map { .certificate($0) }
            configuration.privateKey = .privateKey(key)
        }
        let context = try NIOSSLContext(configuration: configuration)
        return try await connect(host, port) { channel in
            // An address is compared with the one that is connected to.
            let name = PeerName.isAddress(host) ? nil : host
            try channel.pipeline.syncOperations.addHandlers([
                try NIOSSLClientHandler(context: context, serverHostname: name), PeerNameHandler(host),
            ])
        }
    }

    /// Says the first thing on a connection. If it ended before that, what came in tells why: TLS did not accept it.
    static func begin(
        _ message: LinkMessage, _ inbound: NIOAsyncChannelInboundStream<[UInt8]>, _ outbound: FrameWriter
    ) async throws {
        do { try await outbound.send(message) } catch {
            var frames = inbound.makeAsyncIterator()
            while try await frames.next() != nil {}
            throw error
        }
    }

    /// The certificate in the server's chain whose SHA-256 is `pin`. Nothing is said to the server.
    static func authority(of host: String, port: UInt16, pinned pin: [UInt8]) async throws -> [UInt8]? {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = [NodeCertificates.applicationProtocol]
        let context = try NIOSSLContext(configuration: configuration)
        let seen = Mutex<[[UInt8]]?>(nil)
        let channel = try await connect(host, port) { channel in
            let name = PeerName.isAddress(host) ? nil : host
            let handler = try NIOSSLClientHandler(context: context, serverHostname: name) { chain, answer in
                let certificates = chain.compactMap { try? $0.toDERBytes() }
                seen.withLock { $0 = certificates }
                // Looked at, and not used.
                answer.succeed(NIOSSLVerificationResult.failed)
            }
            try channel.pipeline.syncOperations.addHandler(handler)
        }
        // It ends by itself: the handshake fails.
        try? await channel.executeThenClose { inbound, _ in for try await _ in inbound {} }
        guard let chain = seen.withLock({ $0 }) else { throw LinkError.badCertificate }
        return try chain.first { try sha256(unsafe $0.span.bytes) == pin }
    }

    private static func connect(
        _ host: String, _ port: UInt16, _ secure: @escaping @Sendable (any Channel) throws -> Void
    ) async throws -> FrameChannel {
        try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .connectTimeout(.seconds(connectSeconds))
            .connect(host: host, port: Int(port)) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try secure(channel)
                    return try frames(channel, FrameLimit(LinkFrame.maximumCount))
                }
            }
    }
}

/// What went wrong, for people.
enum ConnectionFailure {
    static func text(_ error: any Error, _ server: String) -> String {
        let told = "\(error)"
        if told.contains("CERTIFICATE_VERIFY_FAILED") || error is NIOSSLExtraError {
            return
                "the certificate of \(server) is not accepted: it is not by the CA of this node's server, not for this "
                + "name (secretfs serve --name), or this machine's clock is wrong (it says \(Timestamp.now()))"
        }
        switch error {
        case let error as NIOConnectionError:
            let first = error.connectionErrors.first.map { "\($0.error)" }
            return
                "\(server) cannot be reached: \(first ?? "\(error.dnsAError ?? error.dnsAAAAError ?? error)")"
        case is NIOSSLError, is BoringSSLError:
            return
                "\(server) ended the TLS handshake: it may not know this node's certificate, or is no server of nodes"
        case LinkError.badFrame: return "\(server) sent what is no message"
        default: return "\(server) cannot be reached: \(told)"
        }
    }
}
