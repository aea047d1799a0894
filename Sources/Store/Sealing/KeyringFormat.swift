internal import Secrets

/// The keyring as bytes; docs/FORMAT.md has the byte counts.
///
/// ```
/// magic (16) ‖ format (1) ‖ salt (32) ‖ root key check (32) ‖ nonce (24) ‖ body ‖ tag (16) ‖ SHA-256 (32)
/// ```
/// HKDF makes 64 bytes from the root key and the salt: the key that seals the body, and the root key check.
/// The check commits the keyring to one root key, which GCM alone does not: two keys and one ciphertext that
/// opens under both can be made. It also tells a wrong root key from a damaged keyring.
///
/// The closing hash is no protection (anybody can compute it): it lets an accident be called one. Without it, a
/// flipped bit in the salt would be reported as a wrong root key.
extension Keyring {
    package static let format = 1

    private enum Offset {
        static let format = 16
        static let salt = 17
        static let check = 49
        static let nonce = 81
        static let body = 105
    }
    private static let magic: StaticString = "secretfs keyring"
    private static let hashCount = 32
    /// Generation (4) and the number of keys (2).
    private static let bodyHeaderCount = 6
    /// Id (4), state (1), creation in seconds (8) and nanoseconds (4), key (32).
    private static let keyCount = 49

    private static func sealedCount(keys: Int) -> Int {
        Offset.body + bodyHeaderCount + keys * keyCount + XAES256GCM.tagCount + hashCount
    }

    /// The keyring sealed by `root`, anew each time.
    package func sealed(by root: borrowing RootKey) throws(KeyringError) -> [UInt8] {
        do throws(SealError) {
            let salt = try randomBytes(32)
            let (cipher, check) = try Self.derive(from: root, salt: unsafe salt.span.bytes)
            let body = try encodedBody()
            var bytes = [UInt8]()
            bytes.reserveCapacity(Self.sealedCount(keys: keys.count))
            Self.magic.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
            bytes.append(UInt8(Self.format))
            bytes += salt
            bytes += check
            let header = bytes
            let nonce = try randomBytes(XAES256GCM.nonceCount)
            bytes += nonce
            let count = body.count + XAES256GCM.tagCount
            try bytes.append(addingCapacity: count) { output throws(SealError) in
                try body.withBytes { body throws(SealError) in
                    try cipher.seal(
                        body, nonce: unsafe nonce.span.bytes, authenticating: unsafe header.span.bytes,
                        into: &output)
                }
            }
            return try bytes + sha256(unsafe bytes.span.bytes)
        } catch {
            throw .sealing(error)
        }
    }

    /// - Throws: `.corrupt`, `.wrongRootKey`, `.newerFormat`, `.sealing`.
    package convenience init(opening bytes: [UInt8], with root: borrowing RootKey) throws(KeyringError) {
        let span = unsafe bytes.span.bytes
        try Self.checkOutside(span)
        let body: SecretValue?
        do throws(SealError) { body = try Self.openBody(of: span, with: root) } catch {
            throw error == .damaged ? .corrupt : .sealing(error)
        }
        guard let body else { throw .wrongRootKey }
        let (generation, keys) = try body.withBytes { body throws(KeyringError) in try Self.decode(body) }
        guard let active = keys.last else { throw .corrupt }
        self.init(generation: generation, retired: keys.dropLast(), active: active)
    }

    /// The body of what `checkOutside` let pass; nil if another root key sealed it.
    private static func openBody(of bytes: RawSpan, with root: borrowing RootKey) throws(SealError)
        -> SecretValue?
    {
        let (cipher, check) = try derive(from: root, salt: bytes.extracting(Offset.salt..<Offset.check))
        let stored = bytes.extracting(Offset.check..<Offset.nonce)
        guard isEqualInConstantTime(unsafe check.span.bytes, stored) else { return nil }
        let sealed = bytes.extracting(Offset.body..<bytes.byteCount - hashCount)
        return try .sealing(capacity: sealed.byteCount - XAES256GCM.tagCount) { output throws(SealError) in
            try cipher.open(
                sealed, nonce: bytes.extracting(Offset.nonce..<Offset.body),
                authenticating: bytes.extracting(0..<Offset.nonce), into: &output)
        }
    }

    /// What can be told of a keyring without any key.
    static func checkOutside(_ bytes: RawSpan) throws(KeyringError) {
        guard bytes.byteCount > Offset.format, bytes.starts(with: magic) else { throw .corrupt }
        let format = Int(bytes.byte(at: Offset.format))
        // Before the length and the hash: a newer format may have others.
        guard format <= Self.format else { throw .newerFormat(found: format, known: Self.format) }
        let sizes = sealedCount(keys: 1)...sealedCount(keys: maximumCount)
        guard format == Self.format, sizes.contains(bytes.byteCount) else { throw .corrupt }
        let hashed = bytes.byteCount - hashCount
        let hash: [UInt8]
        do { hash = try sha256(bytes.extracting(0..<hashed)) } catch { throw .sealing(error) }
        let stored = bytes.extracting(hashed..<bytes.byteCount)
        guard isEqualInConstantTime(unsafe hash.span.bytes, stored) else { throw .corrupt }
    }

    /// The key for the body, and the root key check.
    private static func derive(
        from root: borrowing RootKey, salt: RawSpan
    ) throws(SealError) -> (XAES256GCM, check: [UInt8]) {
        let info: [UInt8] = Array("secretfs keyring 1".utf8)
        let derived = try root.withBytes { root throws(SealError) in
            try hkdf(root, salt: salt, info: unsafe info.span.bytes, count: 64)
        }
        return try derived.withBytes { bytes throws(SealError) in
            let check = (32..<64).map { bytes.byte(at: $0) }
            return (try XAES256GCM(key: bytes.extracting(0..<32)), check)
        }
    }

    private func encodedBody() throws(SealError) -> SecretValue {
        try .sealing(capacity: Self.bodyHeaderCount + keys.count * Self.keyCount) {
            output throws(SealError) in
            output.append(bigEndian: generation)
            output.append(bigEndian: UInt16(keys.count))
            for key in keys {
                output.append(bigEndian: key.id.rawValue)
                output.append(key.state.rawValue)
                output.append(bigEndian: key.created.seconds)
                output.append(bigEndian: key.created.nanoseconds)
                key.cipher.withKey { output.append(copying: $0) }
            }
        }
    }

    /// The generation and the keys, the active one last. Authentic, and still not trusted to be well-formed.
    private static func decode(_ body: RawSpan) throws(KeyringError) -> (UInt32, [DataKey]) {
        let generation = body.bigEndian(at: 0, as: UInt32.self)
        let count = Int(body.bigEndian(at: 4, as: UInt16.self))
        guard generation > 0, count > 0, body.byteCount == bodyHeaderCount + count * keyCount else {
            throw .corrupt
        }
        var keys: [DataKey] = []
        for index in 0..<count {
            let start = bodyHeaderCount + index * keyCount
            let key = try decodeKey(body.extracting(start..<start + keyCount))
            let mustBe: DataKey.State = index == count - 1 ? .active : .retired
            guard key.state == mustBe, !keys.contains(where: { $0.id == key.id }) else { throw .corrupt }
            keys.append(key)
        }
        return (generation, keys)
    }

    private static func decodeKey(_ bytes: RawSpan) throws(KeyringError) -> DataKey {
        let id = KeyID(rawValue: bytes.bigEndian(at: 0, as: UInt32.self))
        let nanoseconds = bytes.bigEndian(at: 13, as: UInt32.self)
        guard id.rawValue != 0, let state = DataKey.State(rawValue: bytes.byte(at: 4)),
            nanoseconds < 1_000_000_000
        else { throw .corrupt }
        let created = Timestamp(seconds: bytes.bigEndian(at: 5, as: Int64.self), nanoseconds: nanoseconds)
        do {
            return DataKey(
                id: id, state: state, created: created, cipher: try XAES256GCM(key: bytes.extracting(17..<49))
            )
        } catch {
            throw .sealing(error)
        }
    }
}
