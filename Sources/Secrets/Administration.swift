/// What the admin mount needs of a store. Calls may wait for storage; each change is all or nothing, and durable
/// when its call returns (R8).
package protocol Administration: Sendable {
    /// The owners that have an algorithm, in order.
    func owners() throws(AdministrationError) -> [OwnerName]
    func hasOwner(_ owner: OwnerName) throws(AdministrationError) -> Bool
    func algorithms(of owner: OwnerName) throws(AdministrationError) -> [AlgorithmName]
    func hasAlgorithm(_ name: AlgorithmName) throws(AdministrationError) -> Bool

    /// The rule for all of an algorithm.
    ///
    /// - Throws: `.missing`.
    func callers(of algorithm: AlgorithmName) throws(AdministrationError) -> CallerRule

    func secrets(of home: SecretHome) throws(AdministrationError) -> [EnvironmentName]

    /// - Throws: `.missing`.
    func secret(_ secret: SecretReference) throws(AdministrationError) -> SecretFacts

    /// A moment as people write it; `.invalid` if it is none.
    func moment(_ text: String) throws(AdministrationError) -> Timestamp

    /// A rule as people write it, a line for each thing that it asks for; `.invalid` if it is none.
    func callerRule(_ text: String) throws(AdministrationError) -> CallerRule
    /// `rule`, as `callerRule` understands it.
    func text(_ rule: CallerRule) -> String

    /// Makes a change in the name of `actor`. Every change of an admin mount passes here.
    func carryOut(_ change: AdministrativeChange, by actor: AuditActor) throws(AdministrationError)

    /// Records that `actor` was kept from reading the value of a secret.
    func recordDenial(of secret: SecretReference, to actor: AuditActor)

    /// Records that `actor` was kept out.
    ///
    /// - Parameter what: of what, in words.
    func recordDenial(_ what: String, to actor: AuditActor)
}

/// Names a secret.
package struct SecretReference: Hashable, Sendable, CustomStringConvertible {
    package let home: SecretHome
    package let name: EnvironmentName

    package init(home: SecretHome, name: EnvironmentName) {
        self.home = home
        self.name = name
    }
    package var description: String { "\(home)/\(name)" }
}

/// What an administrator chooses about a secret, besides its value.
package struct SecretSettings: Hashable, Sendable {
    package var displayName: DisplayName
    package var about: Description
    package var delivery: Delivery
    package var validity: Validity
    /// How many versions are kept; nil: as many as the store keeps where nothing is said.
    package var kept: Int?
    package var callers: CallerRule
    /// Only of a secret of an owner; in order.
    package var grants: [Grantee]

    package init(
        displayName: DisplayName, about: Description, delivery: Delivery, validity: Validity, kept: Int?,
        callers: CallerRule, grants: [Grantee]
    ) {
        self.displayName = displayName
        self.about = about
        self.delivery = delivery
        self.validity = validity
        self.kept = kept
        self.callers = callers
        self.grants = grants
    }
}

/// What is known about a secret; never its value.
package struct SecretFacts: Sendable {
    package struct Version: Sendable {
        package let version: Secrets.Version
        /// The value's length in bytes.
        package let count: Int
        package let created: Timestamp
        package let actor: Actor

        package init(version: Secrets.Version, count: Int, created: Timestamp, actor: Actor) {
            self.version = version
            self.count = count
            self.created = created
            self.actor = actor
        }
    }
    package let id: SecretID
    package let settings: SecretSettings
    package let provider: ProviderName
    package let created: Timestamp
    package let modified: Timestamp
    /// Oldest first.
    package let versions: [Version]

    package init(
        id: SecretID, settings: SecretSettings, provider: ProviderName, created: Timestamp,
        modified: Timestamp, versions: [Version]
    ) {
        self.id = id
        self.settings = settings
        self.provider = provider
        self.created = created
        self.modified = modified
        self.versions = versions
    }
}

package enum AdministrativeChange: Sendable {
    case createAlgorithm(AlgorithmName)
    case deleteAlgorithm(AlgorithmName)
    case createSecret(SecretReference, SecretSettings, SecretValue)
    /// Only of the secret with this identity: one that was made again meanwhile is another.
    case replaceValue(SecretReference, SecretID, SecretValue)
    case changeSetting(SecretReference, SettingChange)
    /// The rule for all of an algorithm.
    case replaceCallers(AlgorithmName, CallerRule)
    case deleteSecret(SecretReference)
}

package enum SettingChange: Hashable, Sendable {
    case displayName(DisplayName)
    case about(Description)
    case delivery(Delivery)
    case notBefore(Timestamp?)
    case expires(Timestamp?)
    case kept(Int)
    case callers(CallerRule)
    /// A secret of an owner is granted to these, and to nobody else.
    case grants([Grantee])
}

/// Why the store did not do what it was asked. Nothing was changed.
package struct AdministrationError: Error {
    package enum Reason: CaseIterable, Sendable {
        case missing
        case exists
        case notPermitted
        case invalid
        case tooLarge
        case full
        case readOnly
        case busy
        case damaged
        /// The store's keys are not here.
        case sealed
        case unavailable
        case noMemory
    }
    package let reason: Reason
    /// For the log: the fact, with the name of what it is about. Never a value.
    package let message: String
    /// What to do next.
    package let remedy: String?

    package init(_ reason: Reason, _ message: String, remedy: String? = nil) {
        self.reason = reason
        self.message = message
        self.remedy = remedy
    }
}
