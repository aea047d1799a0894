import Crypto
import Foundation
import Secrets
import Testing

@testable import Store

private func bytes(_ text: String) -> [UInt8] {
    let digits = Array(text)
    return stride(from: 0, to: digits.count, by: 2).map {
        UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0
    }
}

private func value(_ bytes: [UInt8]) throws -> SecretValue { try SecretValue(copying: bytes.span.bytes) }

extension SecretValue {
    fileprivate var hex: String {
        withBytes { bytes in
            hexadecimal((0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) })
        }
    }
    fileprivate var copy: [UInt8] { bytes(hex) }
}

@Suite struct `HPKE, export-only` {
    /// RFC 9180, A.7.1.
    private let info = bytes("4f6465206f6e2061204772656369616e2055726e")
    private let recipient = bytes("33d196c830a12f9ac65d6e565a590d80f04ee9b19c83c87f2c170d972a812848")
    private let recipientPublic = bytes("194141ca6c3c3beb4792cd97ba0ea1faff09d98435012345766ee33aae2d7664")
    private let ephemeral = bytes("095182b502f1f91f63ba584c7c3ec473d617b8b4c2cec3fad5af7fa6748165ed")
    private let encapsulated = "e5e8f9bfff6c2f29791fc351d2c25ce1299aa5eaca78a757c0b4fb4bcd830918"
    private let exports = [
        ("", "7a36221bd56d50fb51ee65edfd98d06a23c4dc87085aa5866cb7087244bd2a36"),
        ("00", "d5535b87099c6c3ce80dc112a2671c6ec8e811a2f284f948cec6dd1708ee33f0"),
        ("54657374436f6e74657874", "ffaabc85a776136ca0c378e5d084c9140ab552b78f039d2e8775f26efff4c70e"),
    ]

    @Test func `exports what the published vectors have, on both sides`() throws {
        let own = try value(recipient)
        #expect(try X25519.publicKey(of: own) == recipientPublic)
        let sender = try Store.HPKE(to: recipientPublic, info: info, ephemeral: try value(ephemeral))
        #expect(hexadecimal(sender.encapsulated) == encapsulated)
        let receiver = try Store.HPKE(opening: bytes(encapsulated), by: own, info: info)
        for (context, exported) in exports {
            #expect(try sender.export(bytes(context), count: 32).hex == exported)
            #expect(try receiver.export(bytes(context), count: 32).hex == exported)
        }
    }

    /// What was sealed before this implementation was ours must open for ever.
    @Test func `agrees with another implementation, in both directions`() throws {
        let suite = Crypto.HPKE.Ciphersuite(
            kem: .Curve25519_HKDF_SHA256, kdf: .HKDF_SHA256, aead: .exportOnly)
        for _ in 0..<20 {
            let key = try X25519.newKey()
            let theirs = try Curve25519.KeyAgreement.PrivateKey(rawRepresentation: key.copy)
            #expect(Array(theirs.publicKey.rawRepresentation) == (try X25519.publicKey(of: key)))
            let sender = try Crypto.HPKE.Sender(
                recipientKey: theirs.publicKey, ciphersuite: suite, info: Data(info))
            let secret = try sender.exportSecret(context: Array("context".utf8), outputByteCount: 48)
            let ours = try Store.HPKE(opening: Array(sender.encapsulatedKey), by: key, info: info)
            #expect(
                try ours.export(Array("context".utf8), count: 48).copy == secret.withUnsafeBytes { Array($0) }
            )

            let mine = try Store.HPKE(to: Array(theirs.publicKey.rawRepresentation), info: info)
            let receiver = try Crypto.HPKE.Recipient(
                privateKey: theirs, ciphersuite: suite, info: Data(info),
                encapsulatedKey: Data(mine.encapsulated))
            let exported = try receiver.exportSecret(context: [1], outputByteCount: 32)
            #expect(try mine.export([1], count: 32).copy == exported.withUnsafeBytes { Array($0) })
        }
    }

    @Test func `depends on the key, the info, the encapsulated key and the context`() throws {
        let key = try X25519.newKey()
        let sender = try Store.HPKE(to: try X25519.publicKey(of: key), info: info)
        let right = try sender.export([], count: 32).hex
        let other = try X25519.publicKey(of: try X25519.newKey())
        #expect(try sender.export([0], count: 32).hex != right)
        for (encapsulated, key, info) in [
            (sender.encapsulated, try X25519.newKey(), info), (sender.encapsulated, key, [1]),
            (other, key, info),
        ] {
            let wrong = try Store.HPKE(opening: encapsulated, by: key, info: info)
            #expect(try wrong.export([], count: 32).hex != right)
        }
    }

    /// Public keys with which everybody finds the same secret, and what is no key.
    @Test(arguments: [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "", "00", "0000000000000000000000000000000000000000000000000000000000000000ff",
    ])
    func `refuses a public key that agrees on nothing`(_ key: String) throws {
        let own = try X25519.newKey()
        #expect(throws: SealError.self) { try Store.HPKE(to: bytes(key), info: info) }
        #expect(throws: SealError.self) { try Store.HPKE(opening: bytes(key), by: own, info: info) }
    }
}
