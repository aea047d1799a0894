package import Secrets

/// Hybrid public key encryption in its base mode, export-only: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256. Whoever has the
/// public key makes secrets that only the owner of the private key finds.
///
/// Of libcrypto's primitives, since OpenSSL has HPKE from 3.2 on only, and swift-crypto's, linked into `secretfs`, would
/// make each command start later. Everything that is secret on the way is in memory that wipes itself.
///
/// - Source: RFC 9180; its published vectors are tests.
package struct HPKE: Sendable {
    /// What the other side needs: the public key that was made for this context, 32 bytes.
    package let encapsulated: [UInt8]
    private let exporter: SecretValue

    /// As the sender.
    package init(to publicKey: [UInt8], info: [UInt8]) throws(SealError) {
        try self.init(to: publicKey, info: info, ephemeral: try X25519.newKey())
    }

    init(to publicKey: [UInt8], info: [UInt8], ephemeral: SecretValue) throws(SealError) {
        let encapsulated = try X25519.publicKey(of: ephemeral)
        let agreement = try X25519.agreement(ephemeral, with: publicKey)
        try self.init(agreement, encapsulated, publicKey, info)
    }

    /// As the recipient.
    ///
    /// - Parameter encapsulated: from outside, hostile.
    package init(opening encapsulated: [UInt8], by key: SecretValue, info: [UInt8]) throws(SealError) {
        let agreement = try X25519.agreement(key, with: encapsulated)
        try self.init(agreement, encapsulated, try X25519.publicKey(of: key), info)
    }

    /// DHKEM's shared secret (4.1), then the key schedule (5.1), of which exports alone need the exporter secret.
    private init(
        _ agreement: SecretValue, _ encapsulated: [UInt8], _ publicKey: [UInt8], _ info: [UInt8]
    ) throws(SealError) {
        let kem = Labels(suite: Array("KEM".utf8) + [0x00, 0x20])
        let eae = try kem.extract(salt: nil, "eae_prk", agreement)
        let shared = try kem.expand(eae, "shared_secret", encapsulated + publicKey, Labels.hashCount)

        let hpke = Self.suite
        let empty = try SecretValue.sealing(capacity: 0) { _ in }
        let context =
            [0x00] + Self.copy(try hpke.extract(salt: nil, "psk_id_hash", empty))
            + Self.copy(try hpke.extract(salt: nil, "info_hash", Self.value(info)))
        let secret = try hpke.extract(salt: shared, "secret", empty)
        exporter = try hpke.expand(secret, "exp", context, Labels.hashCount)
        self.encapsulated = encapsulated
    }

    /// - Parameter count: at most 8160.
    package func export(_ context: [UInt8], count: Int) throws(SealError) -> SecretValue {
        try Self.suite.expand(exporter, "sec", context, count)
    }

    private static var suite: Labels {
        Labels(suite: Array("HPKE".utf8) + [0x00, 0x20, 0x00, 0x01, 0xFF, 0xFF])
    }

    private static func value(_ bytes: [UInt8]) throws(SealError) -> SecretValue {
        try .sealing(capacity: bytes.count) { span in span.append(copying: unsafe bytes.span.bytes) }
    }

    /// Of what is no secret: hashes of what both sides know.
    private static func copy(_ value: SecretValue) -> [UInt8] {
        value.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
    }
}

/// LabeledExtract and LabeledExpand (RFC 9180, 4).
private struct Labels {
    static let hashCount = 32
    let suite: [UInt8]

    private func labeled(_ label: StaticString) -> [UInt8] {
        Array("HPKE-v1".utf8) + suite + label.withUTF8Buffer { unsafe Array($0) }
    }

    /// - Parameter salt: nil for an empty one, which is the same as zeros (RFC 5869, 2.2).
    func extract(salt: SecretValue?, _ label: StaticString, _ key: SecretValue) throws(SealError)
        -> SecretValue
    {
        let head = labeled(label)
        let input = try SecretValue.sealing(capacity: head.count + key.count) { span throws(SealError) in
            span.append(copying: unsafe head.span.bytes)
            key.withBytes { span.append(copying: $0) }
        }
        let zeros = [UInt8](repeating: 0, count: Self.hashCount)
        let none: [UInt8] = []
        return try input.withBytes { input throws(SealError) in
            guard let salt else {
                return try hkdf(
                    .extract, input, salt: unsafe zeros.span.bytes, info: unsafe none.span.bytes,
                    count: Self.hashCount)
            }
            return try salt.withBytes { salt throws(SealError) in
                try hkdf(.extract, input, salt: salt, info: unsafe none.span.bytes, count: Self.hashCount)
            }
        }
    }

    func expand(
        _ key: SecretValue, _ label: StaticString, _ info: [UInt8], _ count: Int
    ) throws(SealError) -> SecretValue {
        var head: [UInt8] = []
        head.append(bigEndian: UInt16(truncatingIfNeeded: count))
        let info = head + labeled(label) + info
        let none: [UInt8] = []
        return try key.withBytes { key throws(SealError) in
            try hkdf(
                .expand, key, salt: unsafe none.span.bytes, info: unsafe info.span.bytes, count: count)
        }
    }
}
