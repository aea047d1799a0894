import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Puts the headers that protect browsers, and what is read in them, on every answer, whoever made it. A page that needs
/// another policy sets its own.
final class ResponseHeaders: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private static let always: [(HTTPField.Name, String)] = [
        (.cacheControl, "no-store"),
        (
            .contentSecurityPolicy,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        ),
        (.xContentTypeOptions, "nosniff"),
        (name("X-Frame-Options"), "DENY"),
        (name("Referrer-Policy"), "no-referrer"),
        (name("Cross-Origin-Opener-Policy"), "same-origin"),
        (name("Cross-Origin-Resource-Policy"), "same-origin"),
        (name("Permissions-Policy"), "interest-cohort=()"),
    ]
    private static let overTLS = (HTTPField.Name.strictTransportSecurity, "max-age=31536000")

    private let isSecure: Bool

    init(isSecure: Bool) { self.isSecure = isSecure }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data) else {
            return context.write(data, promise: promise)
        }
        for (name, value) in Self.always where head.headerFields[name] == nil {
            head.headerFields[name] = value
        }
        if isSecure { head.headerFields[Self.overTLS.0] = Self.overTLS.1 }
        context.write(wrapOutboundOut(.head(head)), promise: promise)
    }

    private static func name(_ text: StaticString) -> HTTPField.Name {
        guard let name = HTTPField.Name(text.description) else { preconditionFailure("not a header's name") }
        return name
    }
}
