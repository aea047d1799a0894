package import FoundationEssentials
package import Secrets

/// What a node and its server say to each other, and the node's agent and the program that connects for it
/// (docs/FORMAT.md#link). Each message is a frame: its length (4 bytes, big-endian), its kind, the format, its fields.
package enum LinkMessage: Sendable {
    // From a node.
    case enroll(LinkEnrollment)
    /// Who connects with a certificate says this first.
    case hello
    /// Send what this algorithm shows, from now on. `held`: whose values the node has.
    case follow(AlgorithmName, held: [HeldVersion])
    case unfollow(AlgorithmName)
    /// A certificate for this request (PKCS #10, DER).
    case renew([UInt8])
    // From a server.
    case enrolled(LinkWelcome, certificate: [UInt8], authority: [UInt8])
    case welcome(LinkWelcome)
    /// The last that is sent.
    case refused(LinkRefusal)
    /// The values that follow, until the next, are sealed by this HPKE context: the encapsulated key, 32 bytes.
    case batch(AlgorithmName, key: [UInt8])
    case value(HeldVersion, sealed: [UInt8])
    /// What the algorithm shows now, whole; each value was sent, or is held.
    case view(AlgorithmName, LinkView)
    /// The node may not have it, or there is none: it opens nothing of it any more.
    case gone(AlgorithmName, isDenied: Bool)
    case certificate([UInt8])
    /// From both, when there is nothing else to say.
    case beat
    // Between a node's agent and the program that connects.
    case connect(LinkCredentials)
    case redeem(LinkRedemption)
    /// The connection ended, or could not be made: why.
    case lost(String)
    /// A new key and certificate, to be kept.
    case renewed(key: SecretValue, certificate: [UInt8])
}

/// A version, told apart from one of the same number that was made after a backup was restored.
package struct HeldVersion: Hashable, Sendable {
    package let secret: SecretID
    package let version: Version
    package let modified: Timestamp
    package init(secret: SecretID, version: Version, modified: Timestamp) {
        self.secret = secret
        self.version = version
        self.modified = modified
    }
    package init(_ entry: Entry) {
        self.init(secret: entry.secret, version: entry.version, modified: entry.modified)
    }
}

package struct LinkEnrollment: Sendable {
    package let token: APIKeyID
    package let secret: SecretValue
    package let sealingKey: [UInt8]
    /// PKCS #10, DER.
    package let request: [UInt8]
    package init(token: APIKeyID, secret: SecretValue, sealingKey: [UInt8], request: [UInt8]) {
        self.token = token
        self.secret = secret
        self.sealingKey = sealingKey
        self.request = request
    }
}

package struct LinkWelcome: Sendable {
    package let node: NodeName
    package let id: UUID
    package let policy: NodePolicy
    /// The server's clock.
    package let time: Timestamp
    package init(_ node: Node) {
        self.node = node.name
        id = node.id
        policy = node.policy
        time = .now()
    }
    init(node: NodeName, id: UUID, policy: NodePolicy, time: Timestamp) {
        self.node = node
        self.id = id
        self.policy = policy
        self.time = time
    }
}

package enum LinkRefusal: UInt8, Sendable {
    /// The token is not valid.
    case token = 1
    /// There is a node of that name.
    case exists = 2
    /// The certificate is not of a node, or of one that was revoked or deleted.
    case revoked = 3
    /// Too many attempts.
    case throttled = 4
    /// What was sent makes no sense.
    case malformed = 5
    /// The server cannot do it now.
    case unavailable = 6
}

/// How the program that connects shows who this node is.
package struct LinkCredentials: Sendable {
    package let host: String
    package let port: UInt16
    package let authority: [UInt8]
    package let certificate: [UInt8]
    /// The scalar (P-256), 32 bytes.
    package let key: SecretValue
    package init(_ membership: Membership) {
        self.init(
            host: membership.host, port: membership.port, authority: membership.authority,
            certificate: membership.certificate, key: membership.key)
    }
    package init(host: String, port: UInt16, authority: [UInt8], certificate: [UInt8], key: SecretValue) {
        self.host = host
        self.port = port
        self.authority = authority
        self.certificate = certificate
        self.key = key
    }
}

/// What the program that connects needs to make this machine a node.
package struct LinkRedemption: Sendable {
    package let host: String
    package let port: UInt16
    /// As it was given (`EnrollmentToken`).
    package let token: SecretValue
    package let sealingKey: [UInt8]
    package init(host: String, port: UInt16, token: SecretValue, sealingKey: [UInt8]) {
        self.host = host
        self.port = port
        self.token = token
        self.sealingKey = sealingKey
    }
}

/// What an algorithm shows, without values.
package struct LinkView: Sendable {
    package let generation: UInt64
    package let modified: Timestamp
    package let entries: [LinkEntry]
    package init(generation: UInt64, modified: Timestamp, entries: [LinkEntry]) {
        self.generation = generation
        self.modified = modified
        self.entries = entries
    }
}

package struct LinkEntry: Sendable {
    package let name: EnvironmentName
    package let held: HeldVersion
    package let delivery: Delivery
    package let count: Int
    package let expires: Timestamp?
    package let callers: [CallerRule]
    /// Nil if they cannot be told.
    package let details: EntryDetails?
    package let isUnreadable: Bool
    /// Whether there is one; if not, nothing opens.
    package let hasValue: Bool
    /// From when on its provider does not want it used.
    package let valueExpires: Timestamp?

    package init(_ entry: Entry, hasValue: Bool) {
        self.init(
            name: entry.name, held: HeldVersion(entry), delivery: entry.delivery, count: entry.count,
            expires: entry.expires, callers: entry.callers, details: try? entry.sealed.details(),
            isUnreadable: entry.isUnreadable, hasValue: hasValue, valueExpires: entry.valueExpires)
    }

    init(
        name: EnvironmentName, held: HeldVersion, delivery: Delivery, count: Int, expires: Timestamp?,
        callers: [CallerRule], details: EntryDetails?, isUnreadable: Bool, hasValue: Bool,
        valueExpires: Timestamp? = nil
    ) {
        self.valueExpires = valueExpires
        self.name = name
        self.held = held
        self.delivery = delivery
        self.count = count
        self.expires = expires
        self.callers = callers
        self.details = details
        self.isUnreadable = isUnreadable
        self.hasValue = hasValue
    }
}
