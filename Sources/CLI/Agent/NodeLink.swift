import Console
import Fuse
import Glibc
import Logging
import Secrets
import Store
import Synchronization

/// Keeps the program that connects to the server running, and passes on what it says.
final class NodeLink: Sendable {
    private struct State {
        var process: LinkProcess?
        var isStopped = true
        var round = 0
    }
    private let state = Mutex(State())
    private let log: Logger
    private let onMessage: @Sendable (LinkMessage) -> Void
    /// In milliseconds: before a program that ended is started again.
    private static let pause: UInt32 = 1000

    /// - Parameter onMessage: called on a thread of its own, one message after the other; `.lost` when the program ended.
    init(_ log: Logger, onMessage: @escaping @Sendable (LinkMessage) -> Void) {
        self.log = log
        self.onMessage = onMessage
    }

    /// - Parameter credentials: asked each time the program is started; nil: not now.
    func start(_ credentials: @escaping @Sendable () -> LinkCredentials?) throws {
        let round = state.withLock { state in
            state.isStopped = false
            state.round += 1
            return state.round
        }
        try Thread(named: "link") { [self] in
            while isCurrent(round) {
                run(credentials, round)
                if isCurrent(round) { usleep(Self.pause * 1000) }
            }
        }.detach()
    }

    func stop() {
        let process = state.withLock { state in
            state.isStopped = true
            defer { state.process = nil }
            return state.process
        }
        process?.end()
    }

    func send(_ message: LinkMessage) { state.withLock { $0.process }?.send(message) }

    private func isCurrent(_ round: Int) -> Bool {
        state.withLock { !$0.isStopped && $0.round == round }
    }

    private func run(_ credentials: () -> LinkCredentials?, _ round: Int) {
        let process: LinkProcess
        do { process = try LinkProcess() } catch {
            return onMessage(.lost(error.message))
        }
        guard let credentials = credentials(), process.send(.connect(credentials)) else { return }
        let isWanted = state.withLock { state in
            guard !state.isStopped, state.round == round else { return false }
            state.process = process
            return true
        }
        guard isWanted else { return }
        while let message = process.receive() { onMessage(message) }
        state.withLock { if $0.process === process { $0.process = nil } }
        guard isCurrent(round) else { return }
        onMessage(.lost("the program that connects to the server ended; it is started again"))
    }
}
