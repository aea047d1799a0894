package import FoundationEssentials
package import Secrets

/// How things of this store that have no id of their own are called outside: made from a key that never leaves the
/// store, so that a name is always the same and tells nothing of what it is made from.
package struct PublicIdentity: Sendable {
    /// When the key was made.
    package let created: Timestamp
    private let key: SecretValue

    /// In bytes, of the record: when it was made (8 and 4), and the key.
    private static let counts = (seconds: 8, nanoseconds: 4, key: 32)
    private static var recordCount: Int { counts.seconds + counts.nanoseconds + counts.key }

    /// What a version of a secret is called: changes with the value, and with nothing else.
    package func id(of version: Version, of secret: SecretID) throws(SealError) -> UUID {
        try id(of: "secretfs version 1 \(secret.lowercaseText) \(version)")
    }

    package func id(of provider: ProviderName) throws(SealError) -> UUID {
        try id(of: "secretfs provider 1 \(provider)")
    }

    /// A UUID of version 8 (RFC 9562, 5.8) of HKDF-SHA256.
    private func id(of text: String) throws(SealError) -> UUID {
        let info = Array(text.utf8)
        let salt: [UInt8] = []
        let derived = try key.withBytes { key throws(SealError) in
            unsafe try hkdf(key, salt: salt.span.bytes, info: info.span.bytes, count: 16)
        }
        return derived.withBytes { bytes in
            var number: UInt128 = 0
            for offset in 0..<16 { number = number << 8 | UInt128(bytes.byte(at: offset)) }
            number &= ~(0xF << 76 | 0x3 << 62)
            number |= 0x8 << 76 | 0x2 << 62
            return UUID(uuid: unsafe unsafeBitCast(number.bigEndian, to: uuid_t.self))
        }
    }

    fileprivate static func draw() throws(SealError) -> SecretValue {
        let now = Timestamp.now()
        return try .sealing(capacity: recordCount) { span throws(SealError) in
            for shift in stride(from: 56, through: 0, by: -8) {
                unsafe span.append(UInt8(truncatingIfNeeded: now.seconds >> Int64(shift)), as: UInt8.self)
            }
            for shift in stride(from: 24, through: 0, by: -8) {
                unsafe span.append(
                    UInt8(truncatingIfNeeded: now.nanoseconds >> UInt32(shift)), as: UInt8.self)
            }
            try span.append(randomBytes: counts.key)
        }
    }

    fileprivate init(_ record: SecretValue) throws(SealError) {
        guard record.count == Self.recordCount else { throw .malformed }
        let (seconds, nanoseconds) = record.withBytes { bytes in
            let seconds = (0..<8).reduce(Int64(0)) { $0 << 8 | Int64(bytes.byte(at: $1)) }
            return (seconds, (8..<12).reduce(UInt32(0)) { $0 << 8 | UInt32(bytes.byte(at: $1)) })
        }
        guard nanoseconds < 1_000_000_000 else { throw .malformed }
        created = Timestamp(seconds: seconds, nanoseconds: nanoseconds)
        key = try record.withBytes { bytes throws(SealError) in
            try .sealing(capacity: Self.counts.key) { span throws(SealError) in
                span.append(copying: bytes.extracting(last: Self.counts.key))
            }
        }
    }
}

extension SecretStore {
    /// Makes it if there is none: once for a store.
    package func publicIdentity() throws(StoreError) -> PublicIdentity {
        let key = Keys.publicIdentity
        return try retrying("the store's identity") { () throws(StoreError) in
            if let record = try sealedRecord(key) {
                do { return try PublicIdentity(record) } catch { throw .damaged(record: key.text) }
            }
            let new = try sealing { _ throws(SealError) in try PublicIdentity.draw() }
            var random = RandomBlock()
            let sealed = try seal(new, under: key, &random)
            // Nothing that anybody can see changes by it, so the audit log has nothing to tell.
            try put(if: [.absent(key)], then: [.put(key, sealed)])
            return try sealing { _ throws(SealError) in try PublicIdentity(new) }
        }
    }

    /// What a record holds, in memory that wipes itself; nil if there is no such record.
    func sealedRecord(_ key: RecordKey) throws(StoreError) -> SecretValue? {
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { return nil }
        return try opening(key) { sealer throws(SealError) in try sealer.open(record.bytes.span, under: key) }
    }
}
