import FoundationEssentials
package import Fuse
import Glibc
package import Store

/// A command's side of the agent's socket, or the server's: one request, one answer, one connection each.
package struct AgentClient {
    package let state: StateDirectory
    private let who: KeyHolding

    package init(state: StateDirectory, of who: KeyHolding = .agent) {
        self.state = state
        self.who = who
    }

    /// Tells whoever runs with keys of `state` of a keyring that is about to be stored, or was just stored.
    package static func expectEverywhere(
        _ state: StateDirectory, _ keyring: [UInt8], _ root: borrowing RootKey
    ) throws {
        for who in KeyHolding.allCases { try AgentClient(state: state, of: who).expect(keyring, root) }
    }

    /// - Returns: nil if no agent runs.
    package func status() throws(Failure) -> AgentStatus? {
        guard let answer = try ask(.status) else { return nil }
        guard case .status(let status) = answer else { throw unexpected }
        return status
    }

    /// - Returns: nil if no agent runs.
    package func mounts() throws(Failure) -> [ServedMountReport]? {
        var all: [ServedMountReport] = []
        while true {
            guard let answer = try ask(.mounts(skip: all.count)) else { return nil }
            guard case .mounts(let page) = answer else { throw unexpected }
            if page.isEmpty { return all }
            all += page
        }
    }

    /// The external secrets of `algorithm` that have no value yet.
    package func awaited(by algorithm: String) throws(Failure) -> [ExternalStatus] {
        guard let answer = try ask(.awaited(algorithm: algorithm)) else {
            throw Failure(.unavailable, "the agent has ended", hint: "mount again")
        }
        guard case .awaited(let awaited) = answer else { throw unexpected }
        return awaited
    }

    /// Asks the agent to serve what is mounted.
    package func serve(_ request: ServeRequest, _ mounted: Mounted) throws(Failure) {
        try serve(.serve(request), mounted)
    }

    package func serveAdmin(_ request: AdminServeRequest, _ mounted: Mounted) throws(Failure) {
        try serve(.serveAdmin(request), mounted)
    }

    private func serve(_ request: AgentRequest, _ mounted: Mounted) throws(Failure) {
        var descriptors = [mounted.descriptor]
        if let keeper = mounted.keeper { descriptors.append(keeper) }
        guard let answer = try ask(request, descriptors) else {
            throw Failure(.unavailable, "the agent has just ended", hint: "try again")
        }
        guard case .done = answer else { throw unexpected }
    }

    /// Returns when the agent's mounts show what the commit `revision` changed, or if no agent runs.
    ///
    /// - Throws: if it does not say so within `seconds`.
    package func waitUntilShown(_ revision: Revision, seconds: Int) throws(Failure) {
        guard let answer = try ask(.shown(revision: revision.rawValue), within: seconds) else { return }
        guard case .done = answer else { throw unexpected }
    }

    /// - Returns: false if no agent runs.
    package func stop() throws(Failure) -> Bool {
        guard let answer = try ask(.stop) else { return false }
        guard case .done = answer else { throw unexpected }
        return true
    }

    /// - Returns: false if it does not run.
    package func seal() throws(Failure) -> Bool {
        guard let answer = try ask(.seal) else { return false }
        guard case .done = answer else { throw unexpected }
        return true
    }

    /// - Returns: false if it does not run.
    package func unseal(_ root: borrowing RootKey) throws -> Bool { try hand(root, with: .unseal) }

    /// Tells it, if it runs, of a keyring that is about to be stored, or was just stored.
    private func expect(_ keyring: [UInt8], _ root: borrowing RootKey) throws {
        _ = try hand(root, with: .expect(keyring: Data(keyring)))
    }

    /// The root key goes through a pipe: never through a message, whose copies nobody wipes.
    private func hand(_ root: borrowing RootKey, with request: AgentRequest) throws -> Bool {
        let (reader, writer) = try Files.pipe()
        try root.write(to: writer.raw)
        writer.closeNow()
        guard let answer = try ask(request, [reader.raw]) else { return false }
        guard case .done = answer else { throw unexpected }
        return true
    }

    private var unexpected: Failure {
        Failure(.unavailable, "the \(who) answered something else than was asked")
    }

    /// What it gets is a mount or a key: it must be this user's own agent, or root's.
    private func checkAgent(_ socket: OwnedDescriptor) throws(Failure) {
        guard let peer = try? DescriptorPassing.peer(of: socket.raw), peer.uid == geteuid() || peer.uid == 0
        else {
            throw Failure(
                .denied, "the \(who) of \(state.path) runs as another user",
                hint: "use that user, or another --state")
        }
    }

    private func ask(
        _ request: AgentRequest, _ descriptors: [Int32] = [], within seconds: Int = AgentSocket.answerSeconds
    ) throws(Failure) -> AgentAnswer? {
        guard let socket = try AgentSocket.connect(state, to: who) else { return nil }
        AgentSocket.setTimeout(socket, seconds: seconds)
        if !descriptors.isEmpty { try checkAgent(socket) }
        return try ask(request, descriptors, over: socket)
    }

    /// As `waitUntilShown`, over a connection that the caller keeps.
    func askShown(_ revision: Revision, over socket: OwnedDescriptor) throws(Failure) {
        guard case .done = try ask(.shown(revision: revision.rawValue), [], over: socket) else {
            throw unexpected
        }
    }

    private func ask(
        _ request: AgentRequest, _ descriptors: [Int32], over socket: OwnedDescriptor
    ) throws(Failure) -> AgentAnswer {
        try AgentMessage.send(request, descriptors: descriptors, over: socket, with: who)
        let (answer, _) = try AgentMessage.receive(AgentAnswer.self, over: socket, with: who)
        if case .failure(let status, let message, let hint) = answer {
            throw Failure(ExitStatus(rawValue: status) ?? .unavailable, message, hint: hint)
        }
        return answer
    }
}
