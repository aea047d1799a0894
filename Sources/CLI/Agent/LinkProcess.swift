import Console
import Fuse
import Glibc
import Secrets
import Store

/// The program that connects to a server, and the socket to it. It ends when the socket does.
final class LinkProcess: Sendable {
    private let program: ChildProgram
    private var socket: OwnedDescriptor { program.socket }

    /// - Parameter log: what it says of itself goes there.
    init(log: Int32 = STDERR_FILENO) throws(Failure) {
        program = try ChildProgram(try ProgramPath.node(), named: "secretfs-node", log: log)
    }

    /// Ends the connection to it: whoever waits in `receive` gets nil.
    func end() { program.end() }

    /// - Returns: false if it has ended.
    @discardableResult
    func send(_ message: LinkMessage) -> Bool {
        var frame = message.frame()
        // A token or a key may be in it.
        defer { unsafe frame.withUnsafeMutableBytes { unsafe wipe($0) } }
        var sent = 0
        while sent < frame.count {
            let count = unsafe frame.withUnsafeBytes { bytes in
                unsafe Glibc.send(
                    socket.raw, bytes.baseAddress.map { unsafe $0 + sent }, bytes.count - sent,
                    Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Waits for the next message; nil when it has ended, or says what is none.
    func receive() -> LinkMessage? {
        guard let head = read(LinkFrame.headCount), let count = LinkFrame.count(head), var body = read(count)
        else { return nil }
        defer { unsafe body.withUnsafeMutableBytes { unsafe wipe($0) } }
        return try? LinkMessage(decoding: body)
    }

    private func read(_ count: Int) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var got = 0
        while got < count {
            let part = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe recv(socket.raw, buffer.baseAddress.map { unsafe $0 + got }, count - got, 0)
            }
            if part < 0, errno == EINTR { continue }
            guard part > 0 else { return nil }
            got += part
        }
        return bytes
    }
}
