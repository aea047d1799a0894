import Console
import Secrets
import Store
import Synchronization

/// A change is read once for all nodes that follow its algorithm, not once for each of them; and so is what providers give.
final class SharedViews: Sendable {
    private struct Read {
        /// The newest commit before it was read: as long as there is no other, it is what there is.
        let revision: Revision
        let view: AlgorithmView
    }
    /// Sealed records, of the algorithms that were asked for last.
    private static let maximumCount = 64
    private let store: SecretStore
    private let external: ExternalValues
    private let reads = Mutex<[AlgorithmName: Read]>([:])
    /// How many nodes are shown it.
    private let users = Mutex<[AlgorithmName: Int]>([:])
    /// Of those who would read the same at the same time.
    private let turn = Mutex(())

    init(_ store: SecretStore, _ external: ExternalValues) {
        self.store = store
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
        if let view = known(name, at: try store.revision()), !view.isExternal {
            return external.join(view, of: name)
        }
        return try turn.withLock { _ throws(StoreError) in
            // Within: what is asked of providers is what the newest view refers to.
            external.join(try stored(name), of: name)
        }
    }

    private func stored(_ name: AlgorithmName) throws(StoreError) -> AlgorithmView {
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

    private func known(_ name: AlgorithmName, at revision: Revision) -> AlgorithmView? {
        guard let read = reads.withLock({ $0[name] }), read.revision == revision else { return nil }
        // A validity that has begun or ended is another view without a commit.
        if let next = read.view.nextChange, next <= .now() { return nil }
        return read.view
    }
}

extension AlgorithmView {
    fileprivate var isExternal: Bool { entries.contains { $0.origin != nil } }
}
