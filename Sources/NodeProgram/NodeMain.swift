import CWipingFree
import Console
import Glibc
import Link
import NIOCore
import NIOPosix
import Store

/// The program that connects to a server for a node's agent, or makes this machine a node. It talks to whoever started
/// it over a socket that is its standard input, and has no key that opens a value: what it passes on is sealed.
@main
enum NodeMain {
    static func main() async {
        Hygiene.protectProcess()
        Hygiene.protectAgent()
        // Nothing of a peer that has gone is to end us before we have told.
        signal(SIGPIPE, SIG_IGN)
        guard wiping_free_is_in_place() else {
            Output.note("error: this program was linked without what wipes freed memory")
            exit(ExitStatus.damaged.rawValue)
        }
        do {
            try await serve()
        } catch {
            Output.note("error: \(Failure(any: error).message)")
            exit(ExitStatus.usage.rawValue)
        }
    }

    private static func serve() async throws {
        let limit = FrameLimit(LinkFrame.maximumCount)
        let starter: FrameChannel
        do {
            starter = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
                .withConnectedSocket(STDIN_FILENO) { channel in
                    channel.eventLoop.makeCompletedFuture { try frames(channel, limit) }
                }
        } catch {
            throw Failure(.usage, "secretfs-node is started by secretfs, not by hand")
        }
        try await starter.executeThenClose { inbound, outbound in
            var frames = inbound.makeAsyncIterator()
            guard let first = try await frames.next(), let message = try? LinkMessage(decoding: first) else {
                return
            }
            switch message {
            case .redeem(let redemption): await Redeeming(redemption, outbound).run()
            case .connect(let credentials):
                await withTaskGroup { group in
                    let connecting = Connecting(credentials, outbound)
                    group.addTask { await connecting.run() }
                    while let frame = try? await frames.next() { await connecting.forward(frame) }
                    // Whoever started this has ended.
                    group.cancelAll()
                }
            default: return
            }
        }
    }
}

typealias FrameChannel = NIOAsyncChannel<[UInt8], ByteBuffer>
typealias FrameWriter = NIOAsyncChannelOutboundWriter<ByteBuffer>

/// - Precondition: called on the channel's event loop.
func frames(_ channel: any Channel, _ limit: FrameLimit) throws -> FrameChannel {
    try channel.pipeline.syncOperations.addHandler(ByteToMessageHandler(FrameDecoder(limit)))
    return try FrameChannel(wrappingChannelSynchronously: channel)
}

extension NIOAsyncChannelOutboundWriter<ByteBuffer> {
    func send(_ message: LinkMessage) async throws { try await write(ByteBuffer(bytes: message.frame())) }

    /// - Parameter body: a frame without its length.
    func send(frame body: [UInt8]) async throws {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(LinkFrame.headCount + body.count)
        buffer.writeInteger(UInt32(body.count))
        buffer.writeBytes(body)
        try await write(buffer)
    }
}
