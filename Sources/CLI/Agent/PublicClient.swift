import Console
import FoundationEssentials
import Fuse
import Glibc

/// A command's side of the public socket: of a user who may not enter the state folder.
struct PublicClient {
    private let connection: OwnedDescriptor

    /// So long a command goes on asking to be taken, in seconds.
    private static let patience = 5
    private static let pauseMicroseconds: UInt32 = 50_000

    /// A connection that the agent has taken, for one request. Made before a command enters a user namespace, in which it
    /// could not tell the agent's user any more.
    ///
    /// - Returns: nil if no agent listens there.
    static func connect(_ state: StateDirectory) throws(Failure) -> PublicClient? {
        let clock = ContinuousClock()
        let deadline = clock.now + .seconds(patience)
        repeat {
            guard let socket = try PublicSocket.connect(state) else { return nil }
            // One that is stopped says nothing at all.
            AgentSocket.setTimeout(socket, seconds: patience)
            let first = try? DescriptorPassing.receive(upTo: 64, over: socket.raw)
            for descriptor in first?.descriptors ?? [] { close(descriptor) }
            if first?.bytes == PublicProtocol.greeting {
                AgentSocket.setTimeout(socket, seconds: AgentSocket.answerSeconds)
                return PublicClient(connection: socket)
            }
            if let first, !first.bytes.starts(with: PublicProtocol.greeting.prefix(8)) {
                throw Failure(.unavailable, "what listens for \(state.path) is not an agent")
            }
            if first != nil {
                throw Failure(
                    .unavailable, "the agent of \(state.path) speaks another version's language",
                    hint: "use the version of secretfs that it has")
            }
            usleep(pauseMicroseconds)
        } while clock.now < deadline
        throw Failure(
            .retry, "the agent takes no request: it has as many as it takes at once, or it is stopped",
            hint: "try again")
    }

    /// The only error about an agent that is not there: a user cannot start another's.
    static func missing(_ state: StateDirectory) -> Failure {
        Failure(
            .unavailable, "no agent answers other users for \(state.path)",
            hint:
                "ask its administrator: systemctl start secretfs-agent, or secretfs agent --state \(state.path)"
        )
    }

    /// Asks the agent to serve what is mounted.
    func serve(_ request: PublicRequest, _ mounted: Mounted) throws(Failure) {
        try AgentMessage.send(request, over: connection)
        var frame = try receive()
        if frame.bytes == PublicProtocol.lent, let device = frame.descriptors.first {
            defer { for descriptor in frame.descriptors { close(descriptor) } }
            do { try DeviceCopy.attach(device, to: mounted.descriptor) } catch {
                throw Failure(
                    .unavailable, "the kernel does not let the agent of another user serve this mount",
                    hint: "run needs a newer kernel for it; try secretfs mount and secretfs-env")
            }
            do {
                try DescriptorPassing.send(Frame(bytes: PublicProtocol.attached), over: connection.raw)
            } catch { throw Self.gone }
            frame = try receive()
        }
        guard case .done = try answer(frame) else { throw Self.unexpected }
    }

    /// The mounts of this user. A connection is good for one page.
    static func mounts(_ state: StateDirectory) throws(Failure) -> [ServedMountReport]? {
        var all: [ServedMountReport] = []
        while let client = try connect(state) {
            guard case .mounts(let page) = try client.ask(.mounts(skip: all.count)) else {
                throw unexpected
            }
            if page.isEmpty { return all }
            all += page
        }
        return nil
    }

    private static var unexpected: Failure {
        Failure(.unavailable, "the agent answered something else than was asked")
    }

    private static var gone: Failure {
        Failure(.retry, "the agent has ended, or waited too long for this command", hint: "try again")
    }

    private func receive() throws(Failure) -> Frame {
        do {
            return try DescriptorPassing.receive(
                upTo: AgentSocket.maximumMessage, descriptors: 1, over: connection.raw)
        } catch { throw Self.gone }
    }

    private func ask(_ request: PublicRequest) throws(Failure) -> AgentAnswer {
        try AgentMessage.send(request, over: connection)
        return try answer(try receive())
    }

    private func answer(_ frame: Frame) throws(Failure) -> AgentAnswer {
        guard let answer = try? JSONDecoder().decode(AgentAnswer.self, from: Data(frame.bytes)) else {
            throw Self.unexpected
        }
        if case .failure(let status, let message, let hint) = answer {
            throw Failure(ExitStatus(rawValue: status) ?? .unavailable, message, hint: hint)
        }
        return answer
    }
}
