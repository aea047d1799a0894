package import FoundationEssentials
package import Secrets

/// Who this machine is as a node, and which server it has its entries from. Its keys were made here.
package struct Membership: Sendable {
    package static let keyCount = 32
    package static let maximumCertificateCount = 8192
    package static let maximumHostCount = 255

    package let node: NodeName
    package let id: UUID
    /// A DNS name or an address.
    package let host: String
    package let port: UInt16
    /// What the server's certificate must be by (DER).
    package let authority: [UInt8]
    /// What this node shows (DER).
    package var certificate: [UInt8]
    /// The private key of `certificate`: the scalar (P-256), 32 bytes.
    package var key: SecretValue
    /// What opens values: X25519, 32 bytes.
    package let sealingKey: SecretValue
    package var policy: NodePolicy

    /// - Precondition: keys of 32 bytes, certificates of 1 to 8,192, a host of at most 255.
    package init(
        node: NodeName, id: UUID, host: String, port: UInt16, authority: [UInt8], certificate: [UInt8],
        key: SecretValue, sealingKey: SecretValue, policy: NodePolicy
    ) {
        precondition(key.count == Self.keyCount && sealingKey.count == Self.keyCount)
        precondition(host.utf8.count <= Self.maximumHostCount)
        self.node = node
        self.id = id
        self.host = host
        self.port = port
        self.authority = authority
        self.certificate = certificate
        self.key = key
        self.sealingKey = sealingKey
        self.policy = policy
    }

    /// Whether these can be a node's key and its certificate, by their lengths.
    package static func mayBeShown(key: SecretValue, certificate: [UInt8]) -> Bool {
        key.count == keyCount && (1...maximumCertificateCount).contains(certificate.count)
    }

    /// `host:port`, for people.
    package var server: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

extension Membership {
    /// The two keys, and then everything else.
    fileprivate func record() throws(SealError) -> SecretValue {
        var writer = RecordWriter(kind: .membership)
        writer.write(node.text)
        writer.write(id)
        writer.write(host)
        writer.write(port)
        writer.write(policy.encoded)
        for certificate in [authority, certificate] {
            writer.write(UInt16(certificate.count))
            writer.write(bytes: certificate)
        }
        let rest = writer.bytes
        return try .sealing(capacity: 2 * Self.keyCount + rest.count) { span throws(SealError) in
            key.withBytes { span.append(copying: $0) }
            sealingKey.withBytes { span.append(copying: $0) }
            span.append(copying: unsafe rest.span.bytes)
        }
    }

    fileprivate init(_ record: SecretValue) throws(RecordFormatError) {
        let head = 2 * Self.keyCount
        guard record.count > head else { throw .malformed }
        let rest = record.withBytes { bytes in (head..<bytes.byteCount).map { bytes.byte(at: $0) } }
        var reader = try RecordReader(rest, kind: .membership)
        guard let node = try? NodeName(reader.text()) else { throw .malformed }
        self.node = node
        id = try reader.id()
        host = try reader.text()
        port = try reader.number(UInt16.self)
        policy = try NodePolicy(encoded: try reader.number(UInt32.self))
        authority = try reader.certificate()
        certificate = try reader.certificate()
        try reader.finish()
        key = try Self.part(record, 0)
        sealingKey = try Self.part(record, Self.keyCount)
    }

    private static func part(_ record: SecretValue, _ offset: Int) throws(RecordFormatError) -> SecretValue {
        do {
            return try record.withBytes { bytes in
                try SecretValue(copying: bytes.extracting(offset..<offset + keyCount))
            }
        } catch {
            throw .malformed
        }
    }
}

extension RecordReader {
    fileprivate mutating func certificate() throws(RecordFormatError) -> [UInt8] {
        let count = Int(try number(UInt16.self))
        guard (1...Membership.maximumCertificateCount).contains(count) else { throw .malformed }
        return Array(try bytes(count))
    }
}

extension SecretStore {
    /// Nil if this store is no node's.
    package func membership() throws(StoreError) -> Membership? {
        guard let record = try sealedRecord(Keys.membership) else { return nil }
        do { return try Membership(record) } catch { throw .damaged(record: Keys.membership.text) }
    }

    /// By name alone: nothing is opened.
    package func isNode() throws(StoreError) -> Bool {
        try storing { () throws(StorageError) in
            try !storage.read([.key(Keys.membership)], at: nil).records.isEmpty
        }
    }

    /// - Throws: `.isNode`.
    package func checkIsNoNode() throws(StoreError) {
        if let membership = try isNode() ? membership() : nil { throw .isNode(server: membership.server) }
    }

    /// Makes this the store of a node, or replaces what is known of it.
    package func keep(_ membership: Membership) throws(StoreError) {
        let record = try sealing { _ throws(SealError) in try membership.record() }
        try retrying("the node") { () throws(StoreError) in
            var random = RandomBlock()
            let sealed = try seal(record, under: Keys.membership, &random)
            let event = AuditEvent(
                .nodeUpdate, by: AuditActor(changingAs: .thisProcess),
                detail: "\(membership.node) of \(membership.server)")
            // What another node was sent is sealed to that one's key.
            let isOther = (try? self.membership())?.id != membership.id
            let forgotten = isOther ? Keys.allKept.map { Transaction.Change.deletePrefix($0) } : []
            try commit(if: [], then: [.put(Keys.membership, sealed)] + forgotten, recording: [event])
        }
    }
}
