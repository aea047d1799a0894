import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTPTypes
import NIOSSL

/// What stands between a client's connection and the requests in it: TLS with the certificate that is the newest when
/// the connection is made, limits, headers.
struct ClientChannel: ServerChildChannel {
    let base: HTTP1Channel
    /// Nil for plain HTTP.
    let certificates: CertificateSource?

    init(
        _ responder: @escaping HTTPChannelHandler.Responder, _ certificates: CertificateSource?,
        _ limits: ConnectionLimits, _ counters: ConnectionCounters
    ) {
        self.certificates = certificates
        let isSecure = certificates != nil
        base = HTTP1Channel(
            responder: responder,
            configuration: .init(
                additionalChannelHandlers: [
                    RequestDeadline(limits, counters), ResponseHeaders(isSecure: isSecure),
                ],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: ConnectionLimits.headerBytes,
                    maxHeaderListSize: ConnectionLimits.headerBytes,
                    maxHeaderFieldCount: ConnectionLimits.headerCount)))
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        guard let certificates else { return base.setup(channel: channel, logger: logger) }
        return channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificates.current))
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
