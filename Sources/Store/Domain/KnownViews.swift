package import Secrets
import Synchronization

/// Views that are read once between two commits, however often somebody asks for them.
package final class KnownViews: Sendable {
    private struct Known {
        /// The newest commit before it was read: as long as there is no other, it is what there is.
        let revision: Revision
        /// What its entries open by, until the store is sealed.
        let keys: OpenKeys
        let view: AlgorithmView
    }
    private let store: SecretStore
    private let maximum: Int
    private let isKept: @Sendable (AlgorithmView) -> Bool
    private let known = Mutex<[AlgorithmName: Known]>([:])

    /// - Parameters:
    ///   - maximum: how many are kept; with more, all are forgotten.
    ///   - isKept: which are worth it.
    package init(
        _ store: SecretStore, atMost maximum: Int, where isKept: @escaping @Sendable (AlgorithmView) -> Bool
    ) {
        self.store = store
        self.maximum = maximum
        self.isKept = isKept
    }

    /// As `SecretStore.view(of:)`.
    ///
    /// - Parameter before: what was shown before, if it is not known here.
    package func view(of name: AlgorithmName, after before: AlgorithmView? = nil) throws(StoreError)
        -> AlgorithmView
    {
        let keys = try store.keyholder.current
        let revision = try store.revision()
        let former = known.withLock { $0[name] }
        if let former, former.revision == revision, former.keys === keys, !former.view.isOver {
            return former.view
        }
        let view = try store.view(of: name, after: former?.view ?? before)
        known.withLock { known in
            guard isKept(view), view.unreadable.isEmpty else { return known[name] = nil }
            if known[name] == nil, known.count >= maximum { known = [:] }
            known[name] = Known(revision: revision, keys: keys, view: view)
        }
        return view
    }

    package func forget(_ name: AlgorithmName) { known.withLock { $0[name] = nil } }
}

extension AlgorithmView {
    /// A validity has begun or ended since: it is another view, without a commit.
    fileprivate var isOver: Bool { nextChange.map { $0 <= .now() } ?? false }
}
