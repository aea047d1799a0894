package import Store
import Synchronization

/// A connection to the agent that is kept, for a process that makes many changes: those of one moment ask once.
package final class AgentLine: Sendable {
    private let client: AgentClient
    private let kept = Mutex<OwnedDescriptor?>(nil)
    private let turn = SharedTurn<Revision, Result<Void, Failure>>(atMost: .max)

    package init(_ state: StateDirectory) { client = AgentClient(state: state) }

    /// As `AgentClient.waitUntilShown`.
    package func waitUntilShown(_ revision: Revision, seconds: Int) throws(Failure) {
        try turn.take(revision) { revisions in
            let newest = revisions.max() ?? revision
            let outcome = Result { () throws(Failure) in try ask(newest, seconds) }
            return revisions.map { _ in outcome }
        }.get()
    }

    private func ask(_ revision: Revision, _ seconds: Int) throws(Failure) {
        let before = kept.withLock { kept in
            defer { kept = nil }
            return kept
        }
        if let before {
            do throws(Failure) { return try ask(revision, seconds, over: before) } catch {
                // An agent that has ended, or closed what was not used: there may be another one.
                guard error.status == .unavailable else { throw error }
            }
        }
        guard let new = try AgentSocket.connect(client.state) else { return }
        try ask(revision, seconds, over: new)
    }

    /// Keeps `socket` unless it failed.
    private func ask(_ revision: Revision, _ seconds: Int, over socket: OwnedDescriptor) throws(Failure) {
        AgentSocket.setTimeout(socket, seconds: seconds)
        try client.askShown(revision, over: socket)
        kept.withLock { $0 = socket }
    }
}
