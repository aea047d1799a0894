package import FoundationEssentials
package import Secrets

/// What a node may do without its server.
package struct NodePolicy: Hashable, Sendable {
    /// In seconds: how long it opens entries that nobody confirmed.
    package static let defaultStale: UInt32 = 86_400
    package static let maximumStale: UInt32 = 30 * 86_400
    package var maximumStale: UInt32
    /// Whether it keeps what it has in its state folder, so that its agent can start without the server.
    package var keeps: Bool

    /// - Parameter maximumStale: at most 30 days.
    package init(maximumStale: UInt32 = defaultStale, keeps: Bool = false) {
        self.maximumStale = min(maximumStale, Self.maximumStale)
        self.keeps = keeps
    }

    private static let keepsBit: UInt32 = 1 << 31
    /// As records and messages have it.
    var encoded: UInt32 { maximumStale | (keeps ? Self.keepsBit : 0) }
    init(encoded: UInt32) throws(RecordFormatError) {
        let seconds = encoded & ~Self.keepsBit
        guard seconds <= Self.maximumStale else { throw .malformed }
        self.init(maximumStale: seconds, keeps: encoded & Self.keepsBit != 0)
    }
}

/// A machine that has its entries from this store's server.
package struct Node: Hashable, Sendable {
    package static let maximumAllowed = 256
    package static let sealingKeyCount = 32
    /// In bytes, of SHA-256.
    package static let markCount = 32

    package let name: NodeName
    package let id: UUID
    package let created: Timestamp
    package internal(set) var modified: Timestamp
    /// X25519, public: what is sent to the node is sealed to it.
    package let sealingKey: [UInt8]
    /// SHA-256 of the certificates by which it is known: the newest last. After renewals the one that it shows and others.
    package internal(set) var certificates: [[UInt8]]
    /// What it may follow; an algorithm that is in none of these does not exist for it (R2).
    package internal(set) var allowed: [Grantee]
    package internal(set) var isRevoked: Bool
    package internal(set) var policy: NodePolicy

    package func mayFollow(_ name: AlgorithmName) -> Bool {
        !isRevoked
            && allowed.contains { grantee in
                switch grantee {
                case .algorithm(let one): one == name
                case .all(let owner): owner.text == name.owner
                }
            }
    }
}

extension Node {
    private static let revokedFlag: UInt8 = 1
    static let maximumCertificates = 4

    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .node)
        writer.write(id)
        writer.write(created)
        writer.write(modified)
        writer.write(isRevoked ? Self.revokedFlag : 0)
        writer.write(policy.encoded)
        writer.write(bytes: sealingKey)
        writer.write(certificates) { $0.write(bytes: $1) }
        writer.write(allowed) { $0.write($1.description) }
        return writer.bytes
    }

    init(_ name: NodeName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .node)
        self.name = name
        id = try reader.id()
        created = try reader.time()
        modified = try reader.time()
        let flags = try reader.number(UInt8.self)
        guard flags <= Self.revokedFlag else { throw .malformed }
        isRevoked = flags & Self.revokedFlag != 0
        policy = try reader.policy()
        sealingKey = Array(try reader.bytes(Self.sealingKeyCount))
        certificates = try reader.list { reader throws(RecordFormatError) in
            Array(try reader.bytes(Self.markCount))
        }
        guard certificates.count <= Self.maximumCertificates else { throw .malformed }
        allowed = try reader.allowed()
        try reader.finish()
    }
}

/// Somebody who has its token may become a node, once.
package struct Enrollment: Hashable, Sendable {
    package let node: NodeName
    package let created: Timestamp
    package let expires: Timestamp
    package let allowed: [Grantee]
    let policy: NodePolicy
    /// SHA-256 of the token's secret part.
    let hash: [UInt8]

    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .enrollment)
        writer.write(node.text)
        writer.write(created)
        writer.write(expires)
        writer.write(policy.encoded)
        writer.write(bytes: hash)
        writer.write(allowed) { $0.write($1.description) }
        return writer.bytes
    }
}

extension Enrollment {
    init(decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .enrollment)
        guard let node = try? NodeName(reader.text()) else { throw .malformed }
        self.node = node
        created = try reader.time()
        expires = try reader.time()
        policy = try reader.policy()
        hash = Array(try reader.bytes(Node.markCount))
        allowed = try reader.allowed()
        try reader.finish()
    }
}

extension RecordReader {
    fileprivate mutating func policy() throws(RecordFormatError) -> NodePolicy {
        try NodePolicy(encoded: try number(UInt32.self))
    }

    /// As it is written: ascending, each once, not more than there may be.
    fileprivate mutating func allowed() throws(RecordFormatError) -> [Grantee] {
        let grantees = try list { reader throws(RecordFormatError) in try reader.grantee() }
        guard Set(grantees).sorted() == grantees, grantees.count <= Node.maximumAllowed else {
            throw .malformed
        }
        return grantees
    }
}
