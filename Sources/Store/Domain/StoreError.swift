package import Secrets

/// Why the store did not do what it was asked. Nothing was changed.
package enum StoreError: Error, Equatable {
    case algorithmMissing(AlgorithmName)
    case algorithmExists(AlgorithmName)
    /// It has no algorithm.
    case ownerMissing(OwnerName)
    case secretMissing(EnvironmentName, SecretHome)
    case secretsExist([EnvironmentName], SecretHome)
    case dangerousNames([EnvironmentName])
    case tooLong(EnvironmentName, count: Int)
    case needsFileDelivery(EnvironmentName, reason: String)
    /// Every version number was used.
    case versionsExhausted(EnvironmentName)
    /// Another version is the newest than the one that was asked for.
    case versionMoved(EnvironmentName, SecretHome, expected: Version, found: Version)
    case versionMissing(EnvironmentName, SecretHome, Version)
    /// The newest version is what mounts show.
    case versionInUse(EnvironmentName, SecretHome, Version)
    /// All algorithms of another owner.
    case grantTooWide(Grantee, OwnerName)
    case tooManyGrants(EnvironmentName, OwnerName)
    /// A list of users would be longer than it may be.
    case tooManyUsers
    case userMissing(UserName)
    case userExists(UserName)
    case roleMissing(UserName, Role)
    case tooManyRoles(UserName)
    case apiKeyMissing(APIKeyID)
    case tooManyKeys(UserName)
    case providerMissing(ProviderName)
    case providerExists(ProviderName)
    case providerInUse(ProviderName, [ProviderUse])
    case providerMoved(ProviderMove)
    /// A provider has the value: nothing can be put in its place here.
    case externalValue(EnvironmentName, SecretOrigin)
    /// No provider has the value.
    case internalValue(EnvironmentName, SecretHome)
    case nodeMissing(NodeName)
    case nodeExists(NodeName)
    case tooManyAllowed(NodeName)
    /// It is not there, or was used; it is over; or it is another one: whoever asks is not told which.
    case enrollmentRefused
    /// The server of this node does not let it have what was asked for, or cannot say.
    case link(LinkFault)
    /// Its server has the secrets of this one's mounts: nothing is kept here.
    case isNode(server: String)
    /// Too short, or too long, for one that is being chosen.
    case passwordLength
    /// Other writers were first, again and again.
    case lostRace(String)
    /// A record does not open: changed, moved, or sealed by an unknown key.
    case damaged(record: String)
    /// A record is sealed by a data key that the keyring does not have.
    case unknownKey(record: String, KeyID)
    /// Another process changed the keyring, and this one cannot open the new one.
    case keysOutdated
    /// The keys were forgotten.
    case sealed
    case newerFormat(record: String, found: Int)
    case storage(StorageError)
    /// No record of it could be written, so it was not done.
    case audit(AuditError)
    case memory(SecretMemoryError)
    case sealing(SealError)
    case rootKey(RootKeyError)
    case keyring(KeyringError)
    case exists(path: String)

    /// Whether it is a record that is as it is: it opens no sooner at the next try, unless somebody puts it anew or tells
    /// us of its key.
    package var isDamage: Bool {
        switch self {
        case .damaged, .unknownKey, .newerFormat: true
        default: false
        }
    }
}

/// Why a node has nothing to show.
package struct LinkFault: Error, Equatable {
    package enum Kind: Sendable {
        case unavailable, denied
    }
    package let kind: Kind
    package let message: String
    package let hint: String?
    package init(_ kind: Kind, _ message: String, _ hint: String? = nil) {
        self.kind = kind
        self.message = message
        self.hint = hint
    }
}
