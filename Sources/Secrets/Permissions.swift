/// What somebody with certain roles may do. Pure, and default deny (R2): without a role that lets it, nothing.
///
/// A role names an owner or an algorithm, whether there is one or not: who asks here tells a stranger neither.
package struct Permissions: Hashable, Sendable {
    package static let none = Permissions([])

    package let roles: Set<Role>
    /// Whether nothing may be changed, whatever the roles say.
    package let isReadOnly: Bool

    package init(_ roles: some Sequence<Role>, isReadOnly: Bool = false) {
        self.roles = Set(roles)
        self.isReadOnly = isReadOnly
    }

    // MARK: Algorithms and secrets

    /// That `home` is there, what is known of its secrets, their histories, and who sees them.
    package func maySee(_ home: SecretHome) -> Bool {
        seesAll || owns(home.owner) || collaborates(on: home)
    }

    /// To make, update, roll back, destroy and delete secrets of `home`. To grant them is another thing.
    package func mayChangeSecrets(of home: SecretHome) -> Bool {
        !isReadOnly && (isAdmin || owns(home.owner) || collaborates(on: home))
    }

    package func mayCreateAlgorithm(of owner: OwnerName) -> Bool { mayChangeAll(of: owner.text) }

    /// The algorithm with its secrets.
    package func mayDelete(_ algorithm: AlgorithmName) -> Bool { mayChangeAll(of: algorithm.owner) }

    /// Who may open an algorithm's files.
    package func mayChangeCallers(of algorithm: AlgorithmName) -> Bool { mayChangeAll(of: algorithm.owner) }

    /// To let `grantee` see a secret of `owner`. Between owners, only who may speak for both: what one lets another's
    /// algorithm see becomes a variable in that algorithm.
    package func mayGrant(secretOf owner: OwnerName, to grantee: Grantee) -> Bool {
        mayChangeAll(of: owner.text) && mayChangeAll(of: grantee.owner)
    }

    /// To take back what was granted of `owner`'s secrets, from whomever: as who deletes the secret does.
    package func mayRevoke(secretOf owner: OwnerName) -> Bool { mayChangeAll(of: owner.text) }

    // MARK: The store

    /// Which providers there are, by name, for whoever makes a secret.
    package var mayListProviders: Bool { !roles.isEmpty }
    /// How they are set up, without what opens them.
    package var maySeeProviders: Bool { seesAll }
    package var mayManageProviders: Bool { mayManageAll }

    /// Who opened and changed what.
    ///
    /// - Parameter home: nil for the whole log, which also tells who signed in and what was done to users and keys.
    package func maySeeAudit(of home: SecretHome?) -> Bool {
        guard let home else { return seesAll }
        return seesAll || owns(home.owner)
    }

    package var maySeeUsers: Bool { seesAll }
    /// Users, their roles and their API keys.
    package var mayManageUsers: Bool { mayManageAll }
    package var maySeeNodes: Bool { seesAll }
    package var mayManageNodes: Bool { mayManageAll }

    // MARK: What roles say

    private var isAdmin: Bool { roles.contains(.admin) }
    private var seesAll: Bool { isAdmin || roles.contains(.viewer) }
    private var mayManageAll: Bool { !isReadOnly && isAdmin }

    private func mayChangeAll(of owner: String) -> Bool { !isReadOnly && (isAdmin || owns(owner)) }

    private func owns(_ owner: String) -> Bool {
        roles.contains { role in
            if case .owner(let own) = role { own.text == owner } else { false }
        }
    }

    private func collaborates(on home: SecretHome) -> Bool {
        guard case .algorithm(let name) = home else { return false }
        return roles.contains(.collaborator(name))
    }
}

extension SecretHome {
    /// As it stands before the slash.
    package var owner: String {
        switch self {
        case .algorithm(let name): name.owner
        case .owner(let owner): owner.text
        }
    }
}

extension Grantee {
    /// Whose algorithms it names.
    package var owner: String {
        switch self {
        case .algorithm(let name): name.owner
        case .all(let owner): owner.text
        }
    }
}
