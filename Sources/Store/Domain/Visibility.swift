package import Secrets

/// A secret that an algorithm sees, or would see if another did not stand before it or its time had come.
package struct Candidate: Sendable {
    package enum State: Equatable, Sendable {
        case visible
        /// A secret of the same name stands before it.
        case hidden(by: SecretHome)
        case notYet(Timestamp)
        case expired(Timestamp)
    }
    package let secret: Secret
    /// Where the secret comes from.
    package let home: SecretHome
    /// By which grant; nil for the algorithm's own.
    package let grant: Grantee?
    package let state: State
}

/// Default deny (R2): what is in none of these lists does not exist for the algorithm.
struct Visibility {
    struct Item {
        let name: EnvironmentName
        let home: SecretHome
        /// Nil for the algorithm's own.
        let grant: Grantee?
        /// Nil if the record does not open: whether it may be shown, and to whom, cannot be told.
        let found: SecretStore.Found<Secret>?

        /// Nil for the algorithm's own.
        var sharedSecret: SharedSecret? {
            guard case .owner(let owner) = home else { return nil }
            return SharedSecret(owner: owner, name: name)
        }
    }
    /// The algorithm's own.
    var own: [Item]
    /// Those of owners, each with the grant that holds for this algorithm.
    var shared: [Item]

    /// Who stands before whom: the algorithm's own, then those of its owner, then those of others by their names.
    private func ranked(for name: AlgorithmName) -> [Item] {
        own
            + shared.sorted { left, right in
                (left.home.description == name.owner ? 0 : 1, left.home, left.name) < (
                    right.home.description == name.owner ? 0 : 1, right.home, right.name
                )
            }
    }

    /// Of each name the one that stands before the others. It hides them also when its own time is over or has not come,
    /// and when its record does not open: nobody expects another's value then.
    func first(for name: AlgorithmName) -> [Item] {
        var names: Set<EnvironmentName> = []
        return ranked(for: name).filter { names.insert($0.name).inserted }
    }

    /// All of them, with what hides those that are hidden.
    func candidates(for name: AlgorithmName, at moment: Timestamp) -> [Candidate] {
        let first = Dictionary(self.first(for: name).map { ($0.name, $0.home) }) { first, _ in first }
        return ranked(for: name).compactMap { item in
            guard let secret = item.found?.value else { return nil }
            let state: Candidate.State =
                if let before = first[item.name], before != item.home {
                    .hidden(by: before)
                } else {
                    secret.validity.state(at: moment)
                }
            return Candidate(secret: secret, home: item.home, grant: item.grant, state: state)
        }
    }
}

extension Validity {
    func state(at moment: Timestamp) -> Candidate.State {
        if let notBefore, moment < notBefore { return .notYet(notBefore) }
        if let expires, expires <= moment { return .expired(expires) }
        return .visible
    }
}

extension SecretStore {
    /// Every secret that concerns `name`, visible or not, and why; own ones first, then by owner.
    package func candidates(for name: AlgorithmName) throws(StoreError) -> [Candidate] {
        let (_, visibility, _) = try visibility(of: name)
        if let damaged = (visibility.own + visibility.shared).first(where: { $0.found == nil }) {
            throw .damaged(record: Keys.secret(damaged.name, of: damaged.home).text)
        }
        return visibility.candidates(for: name, at: .now())
    }

    /// As above, and the names of those whose records do not open, instead of a failure.
    package func readableCandidates(
        for name: AlgorithmName
    ) throws(StoreError) -> (candidates: [Candidate], unreadable: [EnvironmentName]) {
        let (_, visibility, _) = try visibility(of: name)
        let unreadable = (visibility.own + visibility.shared).filter { $0.found == nil }.map(\.name)
        return (visibility.candidates(for: name, at: .now()), unreadable)
    }

    /// The algorithm and what it may see, all of one revision.
    func visibility(
        of name: AlgorithmName
    ) throws(StoreError) -> (Found<Algorithm>, Visibility, Revision) {
        try retrying("view of \(name)") { () throws(StoreError) in
            let home = SecretHome.algorithm(name)
            guard let owner = try? OwnerName(name.owner) else { throw .algorithmMissing(name) }
            let grantees: [Grantee] = [.algorithm(name), .all(owner)]
            let snapshot = try storing { () throws(StorageError) in
                try storage.read(
                    [.key(Keys.algorithm(name)), .prefix(Keys.secrets(of: home))]
                        + grantees.map { .prefix(Keys.grants(to: $0)) }, at: nil)
            }
            guard let first = snapshot.records.first, first.key == Keys.algorithm(name) else {
                throw .algorithmMissing(name)
            }
            let algorithm = try foundAlgorithm(name, first)
            var visibility = Visibility(own: [], shared: [])
            var granted: [(SharedSecret, Grantee)] = []
            for record in snapshot.records.dropFirst() {
                let matches = grantees.compactMap { grantee in
                    Keys.granted(record.key, to: grantee).map { ($0, grantee) }
                }
                if let match = matches.first {
                    granted.append(match)
                } else {
                    visibility.own.append(try item(record, of: home, nil))
                }
            }
            visibility.shared = try sharedSecrets(granted, as: snapshot.revision)
            return (algorithm, visibility, snapshot.revision)
        }
    }

    /// The secrets of owners that `granted` names and that know of it themselves.
    private func sharedSecrets(
        _ granted: [(SharedSecret, Grantee)], as revision: Revision
    ) throws(StoreError) -> [Visibility.Item] {
        guard !granted.isEmpty else { return [] }
        // One secret can be granted both by name and to all: the first of the two is told.
        var grants: [SharedSecret: Grantee] = [:]
        for (secret, grantee) in granted where grants[secret] == nil { grants[secret] = grantee }
        let secrets = grants.keys.sorted()
        let snapshot = try storing { () throws(StorageError) in
            try storage.read(secrets.map { .key(Keys.secret($0.name, of: .owner($0.owner))) }, at: nil)
        }
        // Read at another revision, the two would be torn.
        guard snapshot.revision == revision else { throw .storage(.conflict(Keys.shared)) }
        var records = snapshot.records[...]
        var result: [Visibility.Item] = []
        for secret in secrets {
            let home = SecretHome.owner(secret.owner)
            guard let grant = grants[secret], records.first?.key == Keys.secret(secret.name, of: home),
                let record = records.popFirst()
            else { continue }
            let item = try item(record, of: home, grant)
            // Where to look is not sealed; what is granted is.
            if let found = item.found, !found.value.grants.contains(grant) { continue }
            result.append(item)
        }
        return result
    }

    /// - Throws: what may be over at the next try. Damage of one record is no reason to show nothing of the others.
    private func item(
        _ record: StoredRecord, of home: SecretHome, _ grant: Grantee?
    ) throws(StoreError) -> Visibility.Item {
        guard let name = Keys.secretName(record.key, of: home) else {
            throw .damaged(record: record.key.text)
        }
        var found: Found<Secret>?
        do throws(StoreError) { found = try foundSecret(record, of: home) } catch {
            guard error.isDamage else { throw error }
        }
        return Visibility.Item(name: name, home: home, grant: grant, found: found)
    }
}
