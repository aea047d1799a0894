internal import COpenSSL
package import Secrets

/// How a passphrase becomes a root key, and a password what it is compared with. Read back from storage, which is not trusted: outside the bounds below
/// there are no parameters, so that a changed store can neither take a machine's memory nor weaken the work.
///
/// - Source: RFC 7914.
package struct ScryptParameters: Hashable, Sendable {
    package static let saltCount = 32
    /// 1 GiB; the parameters we write take 128 MiB.
    package static let maximumMemory = 1 << 30

    /// N = 2^logarithm: memory and time.
    package let logarithm: UInt8
    /// Block size, in units of 128 bytes.
    package let blockSize: UInt8
    /// How often the whole is done, one after the other.
    package let parallelism: UInt8
    /// 32 bytes.
    package let salt: [UInt8]

    /// The parameter that is out of bounds, in the words of an error.
    package struct Bound: Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// - Throws: `.scryptOutOfBounds`.
    package init(logarithm: UInt8, blockSize: UInt8, parallelism: UInt8, salt: [UInt8]) throws(RootKeyError) {
        guard (14...20).contains(logarithm) else {
            throw Self.outside("N = 2^\(logarithm); 2^14 to 2^20 is allowed")
        }
        guard (1...16).contains(blockSize) else { throw Self.outside("r = \(blockSize); 1 to 16 is allowed") }
        guard (1...4).contains(parallelism) else {
            throw Self.outside("p = \(parallelism); 1 to 4 is allowed")
        }
        guard salt.count == Self.saltCount else {
            throw Self.outside("\(salt.count) bytes of salt instead of 32")
        }
        let memory = 128 * Int(blockSize) << Int(logarithm)
        guard memory <= Self.maximumMemory else {
            throw Self.outside("\(memory >> 20) MiB; 1,024 MiB is allowed")
        }
        self.logarithm = logarithm
        self.blockSize = blockSize
        self.parallelism = parallelism
        self.salt = salt
    }

    /// For a new passphrase: N = 2^17, r = 8, p = 1, and a random salt. 128 MiB and about half a second.
    package static func new() throws(RootKeyError) -> ScryptParameters {
        let salt: [UInt8]
        do { salt = try randomBytes(saltCount) } catch { throw .sealing(error) }
        return try ScryptParameters(logarithm: 17, blockSize: 8, parallelism: 1, salt: salt)
    }

    /// What scrypt makes of `passphrase`.
    func derive(_ passphrase: RawSpan, count: Int) throws(SealError) -> SecretValue {
        try scrypt(
            passphrase, salt: unsafe salt.span.bytes, n: 1 << UInt64(logarithm), r: UInt64(blockSize),
            p: UInt64(parallelism), count: count)
    }

    private static func outside(_ what: String) -> RootKeyError {
        .scryptOutOfBounds(Bound(description: what))
    }
}

extension RootKey {
    /// A new passphrase must have this many bytes. No rule for characters: length is what counts.
    package static let minimumPassphraseCount = 8

    /// - Throws: `.passphraseTooShort`. For a passphrase that is being chosen; one that opens a store is not
    ///   measured.
    package static func check(newPassphrase passphrase: SecretValue) throws(RootKeyError) {
        guard passphrase.count >= minimumPassphraseCount else {
            throw .passphraseTooShort(minimum: minimumPassphraseCount)
        }
    }

    /// The root key that `passphrase` and `parameters` make. A wrong passphrase makes another key, which the
    /// keyring refuses as `.wrongRootKey`.
    ///
    /// - Throws: `.sealing`.
    package static func deriving(
        from passphrase: SecretValue, _ parameters: ScryptParameters
    ) throws(RootKeyError) -> RootKey {
        do {
            return RootKey(
                try passphrase.withBytes { passphrase throws(SealError) in
                    try parameters.derive(passphrase, count: byteCount)
                })
        } catch {
            throw .sealing(error)
        }
    }
}

/// scrypt with any parameters whose memory stays under 1 GiB and a little: `ScryptParameters` is what keeps
/// stored ones in bounds.
///
/// - Throws: `.library` when OpenSSL refuses the parameters or has no memory.
package func scrypt(
    _ passphrase: RawSpan, salt: RawSpan, n: UInt64, r: UInt64, p: UInt64, count: Int
) throws(SealError) -> SecretValue {
    // OpenSSL counts V (128·N·r) and some smaller buffers.
    let memory = UInt64(ScryptParameters.maximumMemory + (1 << 20))
    return try .sealing(capacity: count) { output throws(SealError) in
        let status = unsafe passphrase.withUnsafeBytes { passphrase in
            unsafe salt.withUnsafeBytes { salt in
                unsafe output.withUnsafeMutableBytes { buffer, used in
                    used = count
                    // A wrapper of EVP_KDF's SCRYPT. A nil passphrase would mean "keep the last one".
                    return unsafe withUnsafePointer(to: CChar(0)) { empty in
                        unsafe EVP_PBE_scrypt(
                            passphrase.assumingMemoryBound(to: CChar.self).baseAddress ?? empty,
                            passphrase.count,
                            salt.assumingMemoryBound(to: UInt8.self).baseAddress, salt.count, n, r, p, memory,
                            buffer.assumingMemoryBound(to: UInt8.self).baseAddress, count)
                    }
                }
            }
        }
        try OpenSSL.check(status, "EVP_PBE_scrypt")
    }
}
