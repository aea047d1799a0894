package import FoundationEssentials
package import Secrets
import Synchronization

/// Finds algorithms and secrets by their ids. Storage has them by name, and what it calls them is all that can be read
/// there; so what an id stands for is remembered here. It is where to look and no more: a record is read each time, and
/// counts only if the id is in it.
package final class Identities: Sendable {
    private struct State {
        /// Up to which `algorithms` is complete; nil before it was first read.
        var revision: Revision?
        var algorithms: [UUID: AlgorithmName] = [:]
        var secrets: [SecretID: EnvironmentName] = [:]
    }
    /// About 100 bytes each. Beyond it all are forgotten, and found anew.
    private static let maximumSecrets = 100_000

    private let store: SecretStore
    private let state = Mutex(State())

    package init(_ store: SecretStore) { self.store = store }

    // MARK: Algorithms

    /// - Returns: nil if no algorithm has this id now.
    package func algorithm(_ id: UUID) throws(StoreError) -> AlgorithmName? {
        if let name = state.withLock({ $0.algorithms[id] }), try store.has(name, withID: id) { return name }
        try catchUp()
        guard let name = state.withLock({ $0.algorithms[id] }) else { return nil }
        guard try store.has(name, withID: id) else {
            state.withLock { $0.algorithms[id] = nil }
            return nil
        }
        return name
    }

    /// Reads the algorithms that were made since the last time: what is asked for in vain costs little.
    private func catchUp() throws(StoreError) {
        let known = state.withLock { $0.revision }
        // Somebody has been here at a later moment than the one that this thread reads at.
        if let known, try store.revision() < known { return }
        let changed: [AlgorithmName]
        let revision: Revision
        if let known, let changes = try store.changes(since: known) {
            guard changes.revision > known else { return }
            changed = changes.keys.compactMap(Keys.algorithmName)
            revision = changes.revision
        } else {
            // In this order: what is made in between is met again.
            revision = try store.revision()
            let all = try store.algorithms()
            state.withLock { state in
                state.algorithms = Dictionary(all.map { ($0.id, $0.name) }) { first, _ in first }
                state.revision = revision
            }
            return
        }
        var found: [UUID: AlgorithmName] = [:]
        for name in changed {
            guard let id = try store.id(of: name) else { continue }
            found[id] = name
        }
        state.withLock { state in
            state.algorithms.merge(found) { _, new in new }
            state.revision = max(state.revision ?? revision, revision)
        }
    }

    // MARK: Secrets

    /// - Returns: nil if no secret of `home` has this id now.
    /// - Throws: `.algorithmMissing`, `.ownerMissing`.
    package func secret(_ id: SecretID, of home: SecretHome) throws(StoreError) -> Secret? {
        if let name = state.withLock({ $0.secrets[id] }) {
            do throws(StoreError) {
                let secret = try store.secret(name, of: home)
                if secret.id == id { return secret }
            } catch .secretMissing {
                state.withLock { $0.secrets[id] = nil }
            }
        }
        let all = try store.listing(of: home).secrets
        guard let found = all.first(where: { $0.id == id }) else { return nil }
        state.withLock { state in
            if state.secrets.count + all.count > Self.maximumSecrets { state.secrets = [:] }
            for secret in all { state.secrets[secret.id] = secret.name }
        }
        return found
    }
}

extension SecretStore {
    /// - Returns: nil if there is no such algorithm.
    package func id(of name: AlgorithmName) throws(StoreError) -> UUID? {
        do throws(StoreError) { return try algorithmOnly(name).id } catch .algorithmMissing { return nil }
    }

    /// The algorithm without its secrets, which are not read.
    package func algorithmOnly(_ name: AlgorithmName) throws(StoreError) -> Algorithm {
        let key = Keys.algorithm(name)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .algorithmMissing(name) }
        return try foundAlgorithm(name, record).value
    }

    fileprivate func has(_ name: AlgorithmName, withID id: UUID) throws(StoreError) -> Bool {
        try self.id(of: name) == id
    }

    /// - Returns: nil if changes that far back are forgotten.
    fileprivate func changes(since revision: Revision) throws(StoreError) -> Changes? {
        do { return try storage.changes(since: revision) } catch {
            switch error {
            case .revisionGone, .futureRevision: return nil
            default: throw .storage(error)
            }
        }
    }
}
