package import CLinux
import FoundationEssentials
import Fuse
import Glibc

/// Who has a socket in the state folder, on which commands reach it.
package enum KeyHolding: String, CaseIterable, Sendable {
    case agent
    /// Understands only what is about keys.
    case server
}

/// The socket of an agent or a server: SOCK_SEQPACKET, which keeps messages apart, in the state folder, which is closed
/// to everybody but its owner and root.
package enum AgentSocket {
    /// Requests are small, answers are paged: a longer message is not one of ours.
    package static let maximumMessage = 131_072

    /// It answers from memory: an agent that takes longer hangs.
    package static let answerSeconds = 15

    /// - Returns: nil if nobody listens.
    package static func connect(
        _ state: StateDirectory, to who: KeyHolding = .agent
    ) throws(Failure) -> OwnedDescriptor? {
        let socket = try make()
        let result = unsafe withAddress(of: fileName(who), in: state.path) {
            unsafe Glibc.connect(socket.raw, $0, $1)
        }
        if result == 0 { return socket }
        switch errno {
        case ENOENT, ECONNREFUSED: return nil
        case EACCES:
            throw Failure(
                .denied, "the \(who) of \(state.path) is not this user's",
                hint: "use the user that started it, or root")
        default: throw Failure(.system, "the \(who) cannot be reached: \(errnoText())")
        }
    }

    private static func fileName(_ who: KeyHolding) -> String { "\(who.rawValue).sock" }

    package static func listen(
        _ state: StateDirectory, as who: KeyHolding = .agent
    ) throws(Failure) -> OwnedDescriptor {
        try listen(on: fileName(who), in: state.path, mode: 0o600)
    }

    /// - Precondition: the caller holds the lock of its kind, so that a socket that is there is a dead agent's; and no other
    ///   thread makes files.
    package static func listen(
        on name: String, in folder: String, mode: mode_t
    ) throws(Failure) -> OwnedDescriptor {
        let path = "\(folder)/\(name)"
        unsafe unlink(path)
        let socket = try make()
        let before = umask(0o777 & ~mode)
        let result = unsafe withAddress(of: name, in: folder) { unsafe bind(socket.raw, $0, $1) }
        let failure = errno
        umask(before)
        guard result == 0, Glibc.listen(socket.raw, 128) == 0 else {
            throw Failure(
                .system, "nobody can listen on \(path): \(errnoText(result == 0 ? errno : failure))")
        }
        return socket
    }

    package static func make() throws(Failure) -> OwnedDescriptor {
        let kind = Int32(SOCK_SEQPACKET.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = Glibc.socket(AF_UNIX, kind, 0)
        guard socket >= 0 else { throw Failure(.system, "no socket: \(errnoText())") }
        return OwnedDescriptor(socket)
    }

    /// A Unix address holds 107 bytes. Through a descriptor of its folder, every path fits.
    package static func withAddress(
        of name: String, in path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        let folder = Files.open(path, Int32(linux_o_path) | O_DIRECTORY)
        guard folder >= 0 else {
            // No folder: no agent. Callers see it as ENOENT.
            errno = errno == ENOTDIR ? ENOENT : errno
            return -1
        }
        defer { close(folder) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let path = "/proc/self/fd/\(folder)/\(name)"
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.utf8)) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let result = unsafe withUnsafePointer(to: &address) { address in
            unsafe address.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, length) }
        }
        // close() above must not hide why.
        let failure = errno
        defer { errno = failure }
        return result
    }

    /// Bounds how long one side waits for the other.
    package static func setTimeout(_ socket: OwnedDescriptor, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        let length = socklen_t(MemoryLayout<timeval>.size)
        unsafe setsockopt(socket.raw, SOL_SOCKET, SO_RCVTIMEO, &time, length)
        unsafe setsockopt(socket.raw, SOL_SOCKET, SO_SNDTIMEO, &time, length)
    }
}

/// JSON in one message, both ways.
package enum AgentMessage {
    /// One that hangs is not one that went: it must not be asked a second time.
    private static func failure(_ error: DescriptorPassingError, _ who: KeyHolding) -> Failure {
        let hint =
            who == .agent
            ? "see its log: agent.log in the state folder" : "see what secretfs serve has logged"
        if error == .socket(errno: EAGAIN) {
            return Failure(.retry, "the \(who) has not answered in time; nothing was changed", hint: hint)
        }
        return Failure(.unavailable, "the \(who) went away", hint: hint)
    }

    package static func send(
        _ message: some Encodable, descriptors: [Int32] = [], over socket: OwnedDescriptor,
        with who: KeyHolding = .agent
    ) throws(Failure) {
        guard let data = try? JSONEncoder().encode(message), data.count <= AgentSocket.maximumMessage else {
            throw Failure(.system, "a message to or from the agent is too long")
        }
        do {
            try DescriptorPassing.send(Frame(bytes: Array(data), descriptors: descriptors), over: socket.raw)
        } catch {
            throw failure(error, who)
        }
    }

    package static func receive<T: Decodable>(
        _: T.Type, upTo count: Int = AgentSocket.maximumMessage,
        descriptors room: Int = Frame.maximumDescriptors, over socket: OwnedDescriptor,
        with who: KeyHolding = .agent
    ) throws(Failure) -> (T, [OwnedDescriptor]) {
        let frame: Frame
        do {
            frame = try DescriptorPassing.receive(upTo: count, descriptors: room, over: socket.raw)
        } catch {
            throw failure(error, who)
        }
        let descriptors = frame.descriptors.map(OwnedDescriptor.init)
        guard let message = try? JSONDecoder().decode(T.self, from: Data(frame.bytes)) else {
            throw Failure(
                .unavailable, "the \(who) speaks another version's language",
                hint: who == .agent
                    ? "stop it: secretfs agent --stop, then try again" : "start it anew: secretfs serve"
            )
        }
        return (message, descriptors)
    }
}
