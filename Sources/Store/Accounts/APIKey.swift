package import FoundationEssentials
package import Secrets

/// An API key, as the store keeps it: without the key.
package struct APIKey: Hashable, Sendable {
    package let id: APIKeyID
    package let user: UserName
    /// Of that user: whoever is made again under the name does not get the keys of the one before, though storage may
    /// put their records back.
    package let userID: UUID
    package let label: KeyLabel
    package let created: Timestamp
    /// From this moment on it is refused; nil: never.
    package let expires: Timestamp?
    /// Whether it changes nothing, whatever its user may do.
    package let isReadOnly: Bool
    /// SHA-256 of the whole text. No slow hash, as for a password: that is for what somebody can guess, and nobody
    /// tries 2^256 keys. It also keeps ten thousand requests a second cheap.
    let hash: [UInt8]

    package func isExpired(at moment: Timestamp) -> Bool { expires.map { $0 <= moment } ?? false }
}

extension APIKey {
    private static let hashCount = 32
    private static let expiresFlag: UInt8 = 1
    private static let readOnlyFlag: UInt8 = 2

    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .apiKey)
        writer.write(user.text)
        writer.write(userID)
        writer.write(label.text)
        writer.write(created)
        writer.write((expires == nil ? 0 : Self.expiresFlag) | (isReadOnly ? Self.readOnlyFlag : 0))
        if let expires { writer.write(expires) }
        for byte in hash { writer.write(byte) }
        return writer.bytes
    }

    init(_ id: APIKeyID, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .apiKey)
        self.id = id
        guard let user = try? UserName(reader.text()) else { throw .malformed }
        self.user = user
        userID = try reader.id()
        guard let label = try? KeyLabel(reader.text()) else { throw .malformed }
        self.label = label
        created = try reader.time()
        let flags = try reader.number(UInt8.self)
        guard flags <= Self.expiresFlag | Self.readOnlyFlag else { throw .malformed }
        expires = flags & Self.expiresFlag != 0 ? try reader.time() : nil
        isReadOnly = flags & Self.readOnlyFlag != 0
        hash = Array(try reader.bytes(Self.hashCount))
        try reader.finish()
    }
}

/// What is shown once, and sent with each request: `sfs_ID_SECRET`, where ID has 10 digits of base32 and SECRET 52,
/// each drawn alone: 260 random bits. ASCII, safe in a URL, one word for a double click, and told apart by those who
/// search for keys in places where none should be.
enum APIKeyText {
    /// 67 bytes.
    static let count = prefix.utf8CodeUnitCount + APIKeyID.count + 1 + secretCount
    private static let prefix: StaticString = "sfs_"
    static let secretCount = 52

    static func newID() throws(SealError) -> APIKeyID {
        let text = String(decoding: try randomBytes(APIKeyID.count).map(digit), as: UTF8.self)
        guard let id = try? APIKeyID(text) else { throw .malformed }
        return id
    }

    /// A new one.
    static func new(_ id: APIKeyID) throws(SealError) -> SecretValue {
        let secret = try newSecret()
        return try .sealing(capacity: count) { text throws(SealError) in
            prefix.withUTF8Buffer {
                unsafe text.append(copying: RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0)))
            }
            for byte in id.text.utf8 { text.append(byte) }
            text.append(UInt8(ascii: "_"))
            secret.withBytes { text.append(copying: $0) }
        }
    }

    /// Random digits, 260 bits.
    static func newSecret() throws(SealError) -> SecretValue {
        let random = try SecretValue.sealing(capacity: secretCount) { bytes throws(SealError) in
            try bytes.append(randomBytes: secretCount)
        }
        return try .sealing(capacity: secretCount) { text throws(SealError) in
            random.withBytes { bytes in
                for offset in 0..<bytes.byteCount { text.append(digit(bytes.byte(at: offset))) }
            }
        }
    }

    /// The ID in `text`; nil if it is no key, by its form.
    static func id(of text: RawSpan) -> APIKeyID? {
        let start = prefix.utf8CodeUnitCount
        let end = start + APIKeyID.count
        guard text.byteCount == count, text.starts(with: prefix), text.byte(at: end) == UInt8(ascii: "_")
        else { return nil }
        // Of the rest only the hash is looked at.
        return try? APIKeyID(String(decoding: (start..<end).map { text.byte(at: $0) }, as: UTF8.self))
    }

    /// Of five of the bits of `random`.
    private static func digit(_ random: UInt8) -> UInt8 {
        let value = random & 31
        return value < 26 ? UInt8(ascii: "a") + value : UInt8(ascii: "2") + value - 26
    }
}
