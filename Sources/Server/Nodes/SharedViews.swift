import Secrets
import Store
import Synchronization

/// A change is read once for all nodes that follow its algorithm, not once for each of them.
final class SharedViews: Sendable {
    private struct Read {
        /// The newest commit before it was read: as long as there is no other, it is what there is.
        let revision: Revision
        let view: AlgorithmView
    }
    /// Sealed records, of the algorithms that were asked for last.
    private static let maximumCount = 64
    private let store: SecretStore
    private let reads = Mutex<[AlgorithmName: Read]>([:])
    /// Of those who would read the same at the same time.
    private let turn = Mutex(())

    init(_ store: SecretStore) { self.store = store }

    /// What `name` shows now; as `SecretStore.view(of:)`.
    func view(of name: AlgorithmName) throws(StoreError) -> AlgorithmView {
        if let view = known(name, at: try store.revision()) { return view }
        return try turn.withLock { _ throws(StoreError) in
            let revision = try store.revision()
            if let view = known(name, at: revision) { return view }
            let before = reads.withLock { $0[name]?.view }
            let view = try store.view(of: name, after: before)
            reads.withLock { reads in
                if reads[name] == nil, reads.count >= Self.maximumCount { reads = [:] }
                reads[name] = Read(revision: revision, view: view)
            }
            return view
        }
    }

    private func known(_ name: AlgorithmName, at revision: Revision) -> AlgorithmView? {
        guard let read = reads.withLock({ $0[name] }), read.revision == revision else { return nil }
        // A validity that has begun or ended is another view without a commit.
        if let next = read.view.nextChange, next <= .now() { return nil }
        return read.view
    }
}
