import Console
import Secrets
import Store
import Synchronization

/// A change is read once for all nodes that follow its algorithm, not once for each of them; and so is what providers give.
final class SharedViews: Sendable {
    /// Sealed records, of the algorithms that were asked for last.
    private static let maximumCount = 64
    private let known: KnownViews
    private let external: ExternalValues
    /// How many nodes are shown it.
    private let users = Mutex<[AlgorithmName: Int]>([:])
    /// Of those who would read the same at the same time.
    private let turn = Mutex(())

    init(_ store: SecretStore, _ external: ExternalValues) {
        known = KnownViews(store, atMost: Self.maximumCount) { _ in true }
        self.external = external
    }

    /// A node is shown `name` from now on.
    func enter(_ name: AlgorithmName) { users.withLock { $0[name, default: 0] += 1 } }

    /// One is not any more. For the last one, nothing is asked of providers any longer.
    func leave(_ name: AlgorithmName) {
        users.withLock { users in
            let count = (users[name] ?? 1) - 1
            users[name] = count > 0 ? count : nil
            // Within: who enters at the same time asks after this.
            if count <= 0 { external.release(name) }
        }
    }

    /// What `name` shows now; as `SecretStore.view(of:)`, with what providers gave.
    func view(of name: AlgorithmName) throws(StoreError) -> AlgorithmView {
        // One after the other: what one reads the next one knows, and what is asked of providers is what the newest view
        // refers to.
        try turn.withLock { _ throws(StoreError) in external.join(try known.view(of: name), of: name) }
    }
}
