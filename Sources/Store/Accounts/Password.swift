package import Secrets

/// What is asked of a password.
package enum Password {
    /// In bytes, of one that is being chosen. Only a length: rules about characters make people choose what is easier
    /// to guess (NIST SP 800-63B §5.1.1.2).
    package static let newRange = 12...1024

    package static func check(new password: SecretValue) throws(StoreError) {
        guard newRange.contains(password.count) else { throw .passwordLength }
    }
}

/// What is kept of a password: scrypt's parameters, and what it makes of the password with them. Whoever has this
/// can try passwords, each at the price of 128 MiB and some tenths of a second.
struct PasswordVerifier: Hashable, Sendable {
    static let hashCount = 32

    let parameters: ScryptParameters
    let hash: [UInt8]

    init(parameters: ScryptParameters, hash: [UInt8]) {
        self.parameters = parameters
        self.hash = hash
    }

    init(of password: SecretValue) throws(StoreError) {
        do { parameters = try ScryptParameters.new() } catch { throw .rootKey(error) }
        let made = try Self.scrypt(password, parameters)
        hash = made.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
    }

    /// What no password fits, at the same price.
    static func ofNobody() throws(StoreError) -> PasswordVerifier {
        do {
            return PasswordVerifier(
                parameters: try .new(), hash: [UInt8](repeating: 0, count: hashCount))
        } catch {
            throw .rootKey(error)
        }
    }

    /// Takes the memory and the time that the parameters say, in any case.
    func fits(_ password: SecretValue) throws(StoreError) -> Bool {
        try Self.scrypt(password, parameters).withBytes { made in
            isEqualInConstantTime(made, unsafe hash.span.bytes)
        }
    }

    private static func scrypt(
        _ password: SecretValue, _ parameters: ScryptParameters
    ) throws(StoreError) -> SecretValue {
        do {
            return try password.withBytes { password throws(SealError) in
                try parameters.derive(password, count: hashCount)
            }
        } catch {
            throw .sealing(error)
        }
    }
}

extension PasswordVerifier: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    var description: String { "<verifier>" }
    var debugDescription: String { "<verifier>" }
    var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension RecordWriter {
    mutating func write(_ verifier: PasswordVerifier) {
        write(verifier.parameters.logarithm)
        write(verifier.parameters.blockSize)
        write(verifier.parameters.parallelism)
        for byte in verifier.parameters.salt + verifier.hash { write(byte) }
    }
}

extension RecordReader {
    /// Its parameters in the bounds of `ScryptParameters`.
    mutating func verifier() throws(RecordFormatError) -> PasswordVerifier {
        let (logarithm, blockSize) = (try number(UInt8.self), try number(UInt8.self))
        let parallelism = try number(UInt8.self)
        let salt = Array(try bytes(ScryptParameters.saltCount))
        guard
            let parameters = try? ScryptParameters(
                logarithm: logarithm, blockSize: blockSize, parallelism: parallelism, salt: salt)
        else { throw .malformed }
        return PasswordVerifier(
            parameters: parameters, hash: Array(try bytes(PasswordVerifier.hashCount)))
    }
}
