package import Secrets

/// Seals records for storage and opens what storage gives back (R5).
///
/// A record opens under its own key only, and as what was sealed, or not at all. What it does not tell is
/// whether storage gave back an *older* record of the same key: versions are the business of the level above.
package struct RecordSealer: Sendable {
    /// The record format that this program writes, and the newest that it reads.
    package static let format = 1
    /// Format (1), key id (4) and nonce (24).
    static let headerCount = 5 + XAES256GCM.nonceCount
    /// What a record has more than its plaintext: 45 bytes.
    package static let overhead = headerCount + XAES256GCM.tagCount

    package let keyring: Keyring

    package init(_ keyring: Keyring) { self.keyring = keyring }

    /// Seals `plaintext` by the keyring's active key, so that it opens only under `key`.
    ///
    /// - Returns: format (1 byte) ‖ key id (4) ‖ nonce (24) ‖ ciphertext (`plaintext.byteCount`) ‖ tag (16);
    ///   docs/FORMAT.md.
    /// - Throws: `.entropyUnavailable`, `.memory`, `.library`; nothing was sealed.
    package func seal(_ plaintext: RawSpan, under key: RecordKey) throws(SealError) -> [UInt8] {
        var random = RandomBlock()
        return try seal(plaintext, under: key, drawing: &random)
    }

    /// As `seal(_:under:)`, as one of many.
    func seal(
        _ plaintext: RawSpan, under key: RecordKey, drawing random: inout RandomBlock
    ) throws(SealError) -> [UInt8] {
        let active = keyring.active
        let nonce = try random.take(XAES256GCM.nonceCount)
        return try [UInt8](capacity: plaintext.byteCount + Self.overhead) { record throws(SealError) in
            record.append(UInt8(Self.format))
            record.append(bigEndian: active.id.rawValue)
            for byte in nonce { record.append(byte) }
            try withAuthenticatedData(active.id, key) { data throws(SealError) in
                try active.cipher.seal(
                    plaintext, nonce: unsafe nonce.span.bytes, authenticating: data, into: &record)
            }
        }
    }

    /// Appends the plaintext of `record`, `plaintextCount(of: record)` bytes, to `destination`.
    ///
    /// - Throws: `.malformed`, `.newerFormat`, `.unknownKey`, `.damaged`, `.doesNotFit`, `.memory`, `.library`;
    ///   then nothing was appended and no plaintext is left behind.
    package func open(
        _ record: Span<UInt8>, under key: RecordKey, into destination: inout OutputRawSpan
    ) throws(SealError) {
        let id = try Self.keyID(of: record)
        guard let dataKey = keyring[id] else { throw .unknownKey(id) }
        let bytes = unsafe record.bytes
        let nonce = bytes.extracting(5..<Self.headerCount)
        let sealed = bytes.extracting(Self.headerCount..<bytes.byteCount)
        try withAuthenticatedData(id, key) { data throws(SealError) in
            try dataKey.cipher.open(sealed, nonce: nonce, authenticating: data, into: &destination)
        }
    }

    /// The plaintext of `record` in memory of its own.
    ///
    /// - Throws: as `open(_:under:into:)`.
    package func open(_ record: Span<UInt8>, under key: RecordKey) throws(SealError) -> SecretValue {
        guard let count = Self.plaintextCount(of: record) else { throw .malformed }
        return try .sealing(capacity: count) { destination throws(SealError) in
            try open(record, under: key, into: &destination)
        }
    }

    /// How many bytes `record` opens to; nil if it is too short for a record. Says nothing of its truth.
    package static func plaintextCount(of record: Span<UInt8>) -> Int? {
        record.count >= overhead ? record.count - overhead : nil
    }

    /// The data key by which `record` says it is sealed.
    ///
    /// - Throws: `.malformed`, `.newerFormat`.
    package static func keyID(of record: Span<UInt8>) throws(SealError) -> KeyID {
        try keyID(ofHead: unsafe record.bytes)
    }

    /// - Parameter record: its first `overhead` bytes are enough.
    static func keyID(ofHead record: RawSpan) throws(SealError) -> KeyID {
        guard record.byteCount > 0, record.byte(at: 0) != 0 else { throw .malformed }
        guard record.byte(at: 0) == format else { throw .newerFormat(Int(record.byte(at: 0))) }
        guard record.byteCount >= overhead else { throw .malformed }
        return KeyID(rawValue: record.bigEndian(at: 1, as: UInt32.self))
    }

    /// Whether `record` is sealed by the active key, so that a rotation has nothing left to do with it.
    package func isCurrent(_ record: Span<UInt8>) throws(SealError) -> Bool {
        try Self.keyID(of: record) == keyring.active.id
    }

    /// Lends what the tag vouches for besides the plaintext: the four fields `secretfs record`, format, key id
    /// and record key, each after its length (4 bytes, big-endian), so that no two lists of fields give the
    /// same bytes.
    private func withAuthenticatedData(
        _ id: KeyID, _ key: RecordKey, _ body: (RawSpan) throws(SealError) -> Void
    ) throws(SealError) {
        let name = key.text.utf8.count
        let capacity = 4 + Self.domain.utf8CodeUnitCount + 4 + 1 + 4 + 4 + 4 + name
        try unsafe withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 8) {
            buffer throws(SealError) in
            var data = unsafe OutputRawSpan(buffer: buffer, initializedCount: 0)
            data.append(bigEndian: UInt32(Self.domain.utf8CodeUnitCount))
            Self.domain.withUTF8Buffer {
                unsafe data.append(copying: RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0)))
            }
            data.append(bigEndian: UInt32(1))
            data.append(UInt8(Self.format))
            data.append(bigEndian: UInt32(4))
            data.append(bigEndian: id.rawValue)
            data.append(bigEndian: UInt32(name))
            data.append(copying: unsafe key.text.utf8Span.span.bytes)
            try body(data.bytes)
            _ = unsafe data.finalize(for: buffer)
        }
    }

    private static let domain: StaticString = "secretfs record"
}

extension OutputSpan<UInt8> {
    fileprivate mutating func append(bigEndian value: UInt32) {
        for shift in stride(from: 24, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
