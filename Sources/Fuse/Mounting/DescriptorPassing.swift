import CLinux
import Glibc

/// One message over a Unix socket, with the descriptors that came along.
package struct Frame: Sendable {
    package let bytes: [UInt8]
    /// Close-on-exec, and the receiver's to close.
    package let descriptors: [Int32]

    /// - Precondition: `bytes` is not empty, and there are at most 16 descriptors.
    package init(bytes: [UInt8], descriptors: [Int32] = []) {
        precondition(!bytes.isEmpty && descriptors.count <= Self.maximumDescriptors)
        self.bytes = bytes
        self.descriptors = descriptors
    }
    fileprivate init(received bytes: [UInt8], _ descriptors: [Int32]) {
        self.bytes = bytes
        self.descriptors = descriptors
    }
    package static let maximumDescriptors = Int(linux_maximum_descriptors)
}

/// The process at the other end of a connected Unix socket, as it was when it connected.
package struct Peer: Hashable, Sendable {
    package let process: Int32
    package let uid: UInt32
    package let gid: UInt32
}

package enum DescriptorPassingError: Error, Equatable {
    /// The other end has closed the socket.
    case closed
    /// More bytes or descriptors came than there was room for; those that came have been closed.
    case tooLarge
    case socket(errno: Int32)
}

/// Frames over a SOCK_SEQPACKET socket, which keeps them apart; on SOCK_STREAM the bytes may come in pieces.
package enum DescriptorPassing {
    package static func send(_ frame: Frame, over socket: Int32) throws(DescriptorPassingError) {
        let sent = unsafe frame.bytes.withUnsafeBytes { bytes in
            unsafe frame.descriptors.withUnsafeBufferPointer { descriptors in
                unsafe linux_send_descriptors(
                    socket, bytes.baseAddress, bytes.count, descriptors.baseAddress, descriptors.count)
            }
        }
        guard sent >= 0 else { throw errno == EPIPE ? .closed : .socket(errno: errno) }
        // Only a stream can take less than all of it.
        guard sent == frame.bytes.count else { throw .tooLarge }
    }

    /// - Parameters:
    ///   - count: the most bytes that are taken.
    ///   - room: the most descriptors that are taken, at most `Frame.maximumDescriptors`.
    /// - Throws: `.closed`, `.tooLarge`, `.socket`; then no descriptor is left open.
    package static func receive(
        upTo count: Int, descriptors room: Int = Frame.maximumDescriptors, over socket: Int32
    ) throws(DescriptorPassingError) -> Frame {
        let room = min(max(room, 0), Frame.maximumDescriptors)
        var descriptors = [Int32](repeating: -1, count: Frame.maximumDescriptors)
        var found = 0
        var isTruncated: Int32 = 0
        var received = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, length in
            received = unsafe linux_receive_descriptors(
                socket, buffer.baseAddress, buffer.count, &descriptors, room, &found, &isTruncated)
            length = max(0, received)
        }
        let failure = errno
        descriptors.removeLast(descriptors.count - found)
        guard received > 0, isTruncated == 0 else {
            for descriptor in descriptors { close(descriptor) }
            throw received < 0 ? .socket(errno: failure) : received == 0 ? .closed : .tooLarge
        }
        return Frame(received: bytes, descriptors)
    }

    package static func peer(of socket: Int32) throws(DescriptorPassingError) -> Peer {
        var peer = linux_peer()
        guard unsafe linux_peer_credentials(socket, &peer) == 0 else { throw .socket(errno: errno) }
        return Peer(process: peer.pid, uid: peer.uid, gid: peer.gid)
    }

    /// A pidfd of the process that connected, close-on-exec and the caller's to close; nil where the kernel has none.
    package static func peerProcess(of socket: Int32) -> Int32? {
        let process = linux_peer_process(socket)
        return process >= 0 ? process : nil
    }

    /// Whether the process of a pidfd has not ended: its number is not another's.
    package static func isRunning(_ process: Int32) -> Bool {
        var ended = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&ended, 1, 0) == 0
    }
}
