import HTTPTypes
import Logging
import NIOCore
import NIOHTTPTypes
import NIOSSL

/// Closes a connection whose client takes too long: one that sends a byte a second is cut off where one that sends
/// nothing is (slow-loris). Looks at what is complete, not at when a byte came last.
final class RequestDeadline: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private let limits: ConnectionLimits
    private let counters: ConnectionCounters
    private var deadline: Scheduled<Void>?
    private var bodyCount = 0
    /// Requests that came and were not yet answered.
    private var open = 0
    private var isReading = false

    init(_ limits: ConnectionLimits, _ counters: ConnectionCounters) {
        self.limits = limits
        self.counters = counters
    }

    func handlerAdded(context: ChannelHandlerContext) {
        counters.opened()
        // Not `channelActive`: a TLS handshake that nobody finishes counts, too.
        set(limits.headSeconds, context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        counters.closed()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head:
            open += 1
            isReading = true
            bodyCount = 0
            set(limits.bodySeconds, context)
        case .body(let bytes):
            bodyCount += bytes.readableBytes
            // It was refused long ago, and goes on sending.
            guard bodyCount <= 2 * ConnectionLimits.bodyBytes else { return end(context) }
        case .end:
            isReading = false
            set(limits.answerSeconds, context)
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .end = unwrapOutboundIn(data) else { return context.write(data, promise: promise) }
        let written = promise ?? context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        written.futureResult.whenSuccess {
            let (handler, context) = bound.value
            handler.open -= 1
            // What is still read has its own deadline.
            if handler.open == 0, !handler.isReading { handler.set(handler.limits.idleSeconds, context) }
        }
        context.write(data, promise: written)
    }

    private func set(_ seconds: Int, _ context: ChannelHandlerContext) {
        deadline?.cancel()
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: .seconds(Int64(seconds))) {
            let (handler, context) = bound.value
            handler.end(context)
        }
    }

    private func end(_ context: ChannelHandlerContext) {
        counters.cutOff()
        // Past TLS, which would wait for a farewell, and read on meanwhile.
        let tls = try? context.pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        (tls ?? context).close(promise: nil)
    }
}
