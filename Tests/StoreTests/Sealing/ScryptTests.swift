import Secrets
import Store
import Testing

@Suite struct `Passphrases` {
    struct Vector: Sendable {
        let passphrase: String
        let salt: String
        let n: UInt64
        let r: UInt64
        let p: UInt64
        let key: String
    }
    /// RFC 7914, section 12, without the one that takes 1 GiB.
    static let vectors = [
        Vector(
            passphrase: "", salt: "", n: 16, r: 1, p: 1,
            key: "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                + "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"),
        Vector(
            passphrase: "password", salt: "NaCl", n: 1024, r: 8, p: 16,
            key: "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
                + "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"),
        Vector(
            passphrase: "pleaseletmein", salt: "SodiumChloride", n: 16384, r: 8, p: 1,
            key: "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
                + "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"),
    ]

    @Test(arguments: vectors)
    func `scrypt gives what RFC 7914 says`(_ vector: Vector) throws {
        let (passphrase, salt) = (Array(vector.passphrase.utf8), Array(vector.salt.utf8))
        let key = try scrypt(
            passphrase.span.bytes, salt: salt.span.bytes, n: vector.n, r: vector.r, p: vector.p, count: 64)
        #expect(hex(key.copy) == vector.key)
    }

    /// RFC 5869, test case 1.
    @Test func `HKDF gives what RFC 5869 says`() throws {
        let key = [UInt8](repeating: 0x0b, count: 22)
        let (salt, info) = (Array(0...0x0c) as [UInt8], Array(0xf0...0xf9) as [UInt8])
        let derived = try hkdf(key.span.bytes, salt: salt.span.bytes, info: info.span.bytes, count: 42)
        let expected =
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
        #expect(hex(derived.copy) == expected)
    }

    @Test func `more memory than allowed is refused before it is taken`() throws {
        #expect(throws: SealError.library(operation: "EVP_PBE_scrypt")) {
            try scrypt(RawSpan(), salt: RawSpan(), n: 1 << 40, r: 8, p: 1, count: 32)
        }
    }

    @Test func `the same passphrase and parameters give the same root key, another of either another`() throws
    {
        let salt = [UInt8](repeating: 1, count: 32)
        let cheap = try ScryptParameters(logarithm: 14, blockSize: 1, parallelism: 1, salt: salt)
        let salted = try ScryptParameters(
            logarithm: 14, blockSize: 1, parallelism: 1, salt: [UInt8](repeating: 2, count: 32))
        let right = try SecretValue(copying: Array("correct horse".utf8).span.bytes)
        let wrong = try SecretValue(copying: Array("correct house".utf8).span.bytes)
        let sealed = try Keyring.create().sealed(by: try RootKey.deriving(from: right, cheap))
        _ = try Keyring(opening: sealed, with: try RootKey.deriving(from: right, cheap))
        #expect(throws: KeyringError.wrongRootKey) {
            try Keyring(opening: sealed, with: try RootKey.deriving(from: wrong, cheap))
        }
        #expect(throws: KeyringError.wrongRootKey) {
            try Keyring(opening: sealed, with: try RootKey.deriving(from: right, salted))
        }
    }

    @Test func `a new passphrase has at least 8 bytes`() throws {
        let short = try SecretValue(copying: Array("1234567".utf8).span.bytes)
        #expect(throws: RootKeyError.passphraseTooShort(minimum: 8)) {
            try RootKey.check(newPassphrase: short)
        }
        try RootKey.check(newPassphrase: try SecretValue(copying: Array("12345678".utf8).span.bytes))
    }

    @Test func `new parameters are N = 2^17, r = 8, p = 1 and a fresh salt`() throws {
        let (first, second) = (try ScryptParameters.new(), try ScryptParameters.new())
        #expect(first.logarithm == 17 && first.blockSize == 8 && first.parallelism == 1)
        #expect(first.salt.count == 32 && first.salt != second.salt)
    }

    @Test(arguments: [
        (13, 8, 1, 32), (21, 8, 1, 32), (0, 8, 1, 32), (255, 8, 1, 32), (17, 0, 1, 32), (17, 17, 1, 32),
        (17, 255, 1, 32), (17, 8, 0, 32), (17, 8, 5, 32), (17, 8, 1, 31), (17, 8, 1, 0), (20, 9, 1, 32),
    ])
    func `parameters out of bounds are refused`(_ n: Int, _ r: Int, _ p: Int, _ salt: Int) {
        let error = #expect(throws: RootKeyError.self) {
            try ScryptParameters(
                logarithm: UInt8(n), blockSize: UInt8(r), parallelism: UInt8(p),
                salt: [UInt8](repeating: 0, count: salt))
        }
        guard case .scryptOutOfBounds = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
    }
}
