import COpenSSL
import Glibc
package import NIOCore
package import NIOSSL
import NIOTLS

/// Whether a server's certificate is for the name that it was looked up by.
///
/// swift-nio-ssl takes one that is for the *address* of whoever answered as well: who can answer DNS for a name, and has a
/// certificate for an address of their own, would be that name. So what it accepted is looked at again, where a name was
/// asked for.
package enum PeerName {
    /// - Parameter host: a name or an address, without a port.
    /// - Throws: if the certificate is not for that name. An address is left to swift-nio-ssl, which compares it with the one
    ///   that is connected to.
    package static func check(_ certificate: NIOSSLCertificate?, isOf host: String) throws {
        guard !isAddress(host) else { return }
        guard let certificate, try isFor(host, try certificate.toDERBytes()) else {
            throw NIOSSLExtraError.failedToValidateHostname
        }
    }

    package static func isAddress(_ host: String) -> Bool {
        var address = in6_addr()
        let host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        return unsafe inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }

    /// By its subject's alternative names only (RFC 9525): nobody issues certificates any more that have none.
    static func isFor(_ host: String, _ der: [UInt8]) throws -> Bool {
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        return unsafe der.withUnsafeBufferPointer { bytes in
            var start = bytes.baseAddress
            guard let certificate = unsafe d2i_X509(nil, &start, bytes.count) else { return false }
            defer { unsafe X509_free(certificate) }
            let flags = UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
            return unsafe X509_check_host(certificate, name, name.utf8.count, flags, nil) == 1
        }
    }
}

/// Ends a connection whose server is not who was asked for, before anything is said to it. Behind the TLS handler.
package final class PeerNameHandler: ChannelInboundHandler {
    package typealias InboundIn = ByteBuffer
    private let host: String

    package init(_ host: String) { self.host = host }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(TLSUserEvent.handshakeCompleted) = event as? TLSUserEvent {
            do {
                let certificate = try context.channel.pipeline.syncOperations.nioSSL_peerCertificate()
                try PeerName.check(certificate, isOf: host)
            } catch {
                context.fireErrorCaught(error)
                context.close(promise: nil)
                return
            }
        }
        context.fireUserInboundEventTriggered(event)
    }
}
