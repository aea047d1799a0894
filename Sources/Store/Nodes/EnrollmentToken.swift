package import Secrets

/// What makes a machine a node, once: `sfn_ID_SECRET_PIN`. ID has 10 digits of base32 and SECRET 52 (260 random bits);
/// PIN is the SHA-256 of the certificate of the server's CA, in 64 hexadecimal digits, so that whoever has a token
/// also knows whom to give it to.
package struct EnrollmentToken: Sendable {
    package let id: APIKeyID
    package let secret: SecretValue
    /// 32 bytes.
    package let pin: [UInt8]

    /// In bytes: 132.
    package static let count =
        prefix.utf8CodeUnitCount + APIKeyID.count + 1 + secretCount + 1 + 2 * Node.markCount
    package static let secretCount = APIKeyText.secretCount
    private static let prefix: StaticString = "sfn_"

    /// - Parameter text: as it is shown; nil if it is no token, by its form.
    package init?(_ text: SecretValue) throws {
        guard text.count == Self.count else { return nil }
        let start = Self.prefix.utf8CodeUnitCount
        let secretStart = start + APIKeyID.count + 1
        let pinStart = secretStart + Self.secretCount + 1
        let parts = text.withBytes { bytes -> (APIKeyID, [UInt8])? in
            let digits = (pinStart..<Self.count).compactMap { Self.value(bytes.byte(at: $0)) }
            let id = String(decoding: (start..<secretStart - 1).map { bytes.byte(at: $0) }, as: UTF8.self)
            let underscore = UInt8(ascii: "_")
            guard bytes.starts(with: Self.prefix), bytes.byte(at: secretStart - 1) == underscore,
                bytes.byte(at: pinStart - 1) == underscore, digits.count == 2 * Node.markCount,
                (secretStart..<pinStart - 1).allSatisfy({ APIKeyID.isDigit(bytes.byte(at: $0)) }),
                let id = try? APIKeyID(id)
            else { return nil }
            return (id, stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] })
        }
        guard let (id, pin) = parts else { return nil }
        self.id = id
        self.pin = pin
        secret = try SecretValue(capacity: Self.secretCount) { span in
            text.withBytes { span.append(copying: $0.extracting(secretStart..<pinStart - 1)) }
        }
    }

    init(pin: [UInt8]) throws(SealError) {
        id = try APIKeyText.newID()
        secret = try APIKeyText.newSecret()
        self.pin = pin
    }

    func text() throws(SealError) -> SecretValue {
        try .sealing(capacity: Self.count) { text throws(SealError) in
            Self.prefix.withUTF8Buffer {
                unsafe text.append(copying: RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0)))
            }
            for byte in id.text.utf8 { text.append(byte) }
            text.append(UInt8(ascii: "_"))
            secret.withBytes { text.append(copying: $0) }
            text.append(UInt8(ascii: "_"))
            for byte in hexadecimal(pin).utf8 { text.append(byte) }
        }
    }

    func hash() throws(SealError) -> [UInt8] {
        try secret.withBytes { bytes throws(SealError) in try sha256(bytes) }
    }

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}
