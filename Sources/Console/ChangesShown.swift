package import Store
import Synchronization

/// The last thing that a command does: a change holds for the next open when the command has returned. Here, once,
/// for all commands: whatever stores they opened, and whatever they committed.
package enum ChangesShown {
    private static let seconds = 2
    private static let expected = Mutex<[(commits: Commits, state: StateDirectory)]>([])

    /// Does not keep the store, which is closed, and its log moved into its file, when the command lets go of it.
    package static func expect(of store: SecretStore, in state: StateDirectory) {
        expected.withLock { $0.append((store.commits, state)) }
    }

    /// Waits until the agents of the stores that were changed show it. The changes are made in any case.
    package static func wait() {
        for (commits, state) in expected.withLock({ $0 }) {
            guard let revision = commits.newest else { continue }
            do throws(Failure) {
                try AgentClient(state: state).waitUntilShown(revision, seconds: seconds)
            } catch {
                Output.note(
                    "warning: the change is made, and the agent has not said within \(seconds) s that its mounts show it"
                )
                Output.note("hint: see agent.log in the state folder; secretfs agent --stop ends its mounts")
            }
        }
    }
}
