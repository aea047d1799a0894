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
    let addresses: AddressLimit
    let counters: ConnectionCounters

    init(
        _ responder: @escaping HTTPChannelHandler.Responder, _ certificates: CertificateSource?,
        _ limits: ConnectionLimits, _ addresses: AddressLimit, _ counters: ConnectionCounters
    ) {
        self.certificates = certificates
        self.addresses = addresses
        self.counters = counters
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
        channel.eventLoop.makeCompletedFuture {
            let counters = counters
            // First of all, so that TLS costs nothing where there are too many.
            try channel.pipeline.syncOperations.addHandler(AddressGate(addresses) { counters.refused() })
            guard let certificates else { return }
            try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: certificates.current))
        }.flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await base.handle(value: value, logger: logger)
    }
}
