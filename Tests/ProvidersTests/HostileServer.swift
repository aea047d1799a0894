import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A server that answers whatever it is told to, byte by byte, and keeps what it was sent.
final class HostileServer: Sendable {
    let address: String
    private let channel: any Channel
    let sent: NIOLockedBytes

    /// - Parameter answers: what comes back to the first request, the second, and so on; the last one to all others. Nil:
    ///   nothing, ever. `{port}` is the server's own.
    init(_ answers: [String?]) async throws {
        let sent = NIOLockedBytes()
        self.sent = sent
        channel = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Answering(answers, sent))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        address = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)"
    }

    /// An answer that goes on for ever, a byte each tenth of a second.
    static let trickle = "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

    func close() async { try? await channel.close() }

    static func answer(_ status: String, _ body: String, _ headers: String...) -> String {
        let all = ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + headers
        return all.joined(separator: "\r\n") + "\r\n\r\n" + body
    }
}

final class NIOLockedBytes: Sendable {
    private let box = NIOLockedValueBox<(text: String, requests: Int)>(("", 0))
    var text: String { box.withLockedValue { $0.text } }
    /// - Returns: how many requests came before.
    func add(_ text: String) -> Int {
        box.withLockedValue { box in
            box.text += text
            guard text.contains("HTTP/1.1\r\n") else { return -1 }
            box.requests += 1
            return box.requests - 1
        }
    }
}

private final class Answering: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let answers: [String?]
    private let sent: NIOLockedBytes

    init(_ answers: [String?], _ sent: NIOLockedBytes) {
        self.answers = answers
        self.sent = sent
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let number = sent.add(String(buffer: unwrapInboundIn(data)))
        guard number >= 0, let answer = answers[min(number, answers.count - 1)] else { return }
        let port = "\(context.channel.localAddress?.port ?? 0)"
        let text = answer.replacingOccurrences(of: "{port}", with: port)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text)), promise: nil)
        guard text.hasSuffix(HostileServer.trickle) else { return }
        let channel = context.channel
        context.eventLoop.scheduleRepeatedTask(initialDelay: .milliseconds(100), delay: .milliseconds(100)) {
            task in
            guard channel.isActive else { return task.cancel() }
            channel.writeAndFlush(ByteBuffer(string: " "), promise: nil)
        }
    }
}
