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
    /// The algorithm's own.
    var own: [SecretStore.Found<Secret>]
    /// Those of owners, each with the grants that hold for this algorithm.
    var shared: [(secret: SharedSecret, found: SecretStore.Found<Secret>, grant: Grantee)]

    /// Who stands before whom: the algorithm's own, then those of its owner, then those of others by their names.
    /// A secret hides others also when its own time is over or has not come: nobody expects another's value then.
    func candidates(for name: AlgorithmName, at moment: Timestamp) -> [(Candidate, SecretStore.Found<Secret>)]
    {
        let ranked = shared.sorted { left, right in
            (left.secret.owner.text == name.owner ? 0 : 1, left.secret) < (
                right.secret.owner.text == name.owner ? 0 : 1, right.secret
            )
        }
        let all =
            own.map { ($0, SecretHome.algorithm(name), Grantee?.none) }
            + ranked.map { ($0.found, SecretHome.owner($0.secret.owner), $0.grant) }
        var first: [EnvironmentName: SecretHome] = [:]
        return all.map { found, home, grant in
            let state: Candidate.State
            if let before = first[found.value.name] {
                state = .hidden(by: before)
            } else {
                first[found.value.name] = home
                state = found.value.validity.state(at: moment)
            }
            return (Candidate(secret: found.value, home: home, grant: grant, state: state), found)
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
        return visibility.candidates(for: name, at: .now()).map(\.0)
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
                    visibility.own.append(try foundSecret(record, of: home))
                }
            }
            visibility.shared = try sharedSecrets(granted, as: snapshot.revision)
            return (algorithm, visibility, snapshot.revision)
        }
    }

    /// The secrets of owners that `granted` names and that know of it themselves.
    private func sharedSecrets(
        _ granted: [(SharedSecret, Grantee)], as revision: Revision
    ) throws(StoreError) -> [(secret: SharedSecret, found: Found<Secret>, grant: Grantee)] {
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
        var result: [(secret: SharedSecret, found: Found<Secret>, grant: Grantee)] = []
        for secret in secrets {
            let home = SecretHome.owner(secret.owner)
            guard let grant = grants[secret], records.first?.key == Keys.secret(secret.name, of: home),
                let record = records.popFirst()
            else { continue }
            let found = try foundSecret(record, of: home)
            // Where to look is not sealed; what is granted is.
            guard found.value.grants.contains(grant) else { continue }
            result.append((secret: secret, found: found, grant: grant))
        }
        return result
    }
}
