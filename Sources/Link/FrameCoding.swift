package import NIOCore
import Store
import Synchronization

/// How long a frame of a peer may be: less until it has shown who it is.
package final class FrameLimit: Sendable {
    private let count: Atomic<Int>
    package init(_ count: Int) { self.count = Atomic(count) }
    package var maximum: Int { count.load(ordering: .relaxed) }
    package func raise(to count: Int) { self.count.store(count, ordering: .relaxed) }
}

/// Frames, without their lengths, from a stream of bytes.
package struct FrameDecoder: NIOSingleStepByteToMessageDecoder {
    package typealias InboundOut = [UInt8]
    private let limit: FrameLimit

    package init(_ limit: FrameLimit) { self.limit = limit }

    package mutating func decode(buffer: inout ByteBuffer) throws -> [UInt8]? {
        guard let head = buffer.getBytes(at: buffer.readerIndex, length: LinkFrame.headCount) else {
            return nil
        }
        guard let count = LinkFrame.count(head, atMost: limit.maximum) else { throw LinkError.badFrame }
        guard buffer.readableBytes >= LinkFrame.headCount + count else { return nil }
        buffer.moveReaderIndex(forwardBy: LinkFrame.headCount)
        return buffer.readBytes(length: count)
    }

    package mutating func decodeLast(buffer: inout ByteBuffer, seenEOF: Bool) throws -> [UInt8]? {
        try decode(buffer: &buffer)
    }
}

package enum LinkError: Error {
    /// Longer than it may be, or not even a frame.
    case badFrame
    /// The certificate or the request for one is not what it must be.
    case badCertificate
}
