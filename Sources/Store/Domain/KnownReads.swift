import Synchronization

/// What was read of a store, for as long as there is no other commit and its keys are there. It must be made of nothing
/// but the store's records: no clock.
package final class KnownReads<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private struct Known {
        /// The newest commit before it was read: as long as there is no other, it is what there is.
        let revision: Revision
        /// What its records were opened by, until the store is sealed.
        let keys: OpenKeys
        let value: Value
        let cost: Int
    }
    private struct State {
        var known: [Key: Known] = [:]
        var cost = 0
    }
    private let maximum: Int
    private let state = Mutex(State())

    /// - Parameter maximum: of all costs together; with more, all are forgotten.
    package init(atMost maximum: Int) { self.maximum = maximum }

    /// - Parameters:
    ///   - cost: of keeping a value.
    ///   - read: reads it; nil is not kept.
    /// - Throws: `.sealed`, and what `read` throws.
    package func value(
        of key: Key, in store: SecretStore, cost: (Value) -> Int = { _ in 1 }, _ read: () throws -> Value?
    ) throws -> Value? {
        let keys = try store.keyholder.current
        let revision = try store.revision()
        let former = state.withLock { $0.known[key] }
        if let former, former.revision == revision, former.keys === keys { return former.value }
        guard let value = try read() else { return nil }
        keep(Known(revision: revision, keys: keys, value: value, cost: cost(value)), of: key)
        return value
    }

    private func keep(_ known: Known, of key: Key) {
        guard known.cost <= maximum else { return }
        state.withLock { state in
            // Another thread may have been faster, with a later one.
            if let other = state.known[key], other.revision > known.revision { return }
            state.cost -= state.known[key]?.cost ?? 0
            if state.cost + known.cost > maximum { state = State() }
            state.cost += known.cost
            state.known[key] = known
        }
    }
}
