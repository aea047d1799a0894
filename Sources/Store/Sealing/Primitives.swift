internal import COpenSSL
internal import Glibc
package import Secrets

/// Fills `destination` with random bytes from the kernel. At early boot it waits until the kernel has some.
///
/// Straight from the kernel: a generator in our memory would repeat itself in a copy of the process or of
/// the machine, and sealing is never so frequent that the system call counts.
func fillRandom(_ destination: UnsafeMutableRawBufferPointer) throws(SealError) {
    var offset = 0
    while offset < destination.count {
        // getentropy(3) gives at most 256 bytes at a time.
        let count = min(destination.count - offset, 256)
        let part = unsafe destination.baseAddress?.advanced(by: offset)
        guard let part = unsafe part, unsafe getentropy(part, count) == 0 else { throw .entropyUnavailable }
        offset += count
    }
}

extension OutputRawSpan {
    /// Appends `count` random bytes.
    mutating func append(randomBytes count: Int) throws(SealError) {
        try unsafe withUnsafeMutableBytes { buffer, used throws(SealError) in
            try unsafe fillRandom(UnsafeMutableRawBufferPointer(rebasing: buffer[used..<used + count]))
            used += count
        }
    }

    mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
        for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

/// `count` random bytes that are no secret.
func randomBytes(_ count: Int) throws(SealError) -> [UInt8] {
    try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used throws(SealError) in
        try unsafe fillRandom(
            UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<count]))
        used = count
    }
}

extension SecretValue {
    /// `init(capacity:filledBy:)` with the errors of sealing.
    static func sealing(
        capacity: Int, filledBy fill: (inout OutputRawSpan) throws(SealError) -> Void
    ) throws(SealError) -> SecretValue {
        do {
            return try SecretValue(capacity: capacity) { span in try fill(&span) }
        } catch {
            throw error as? SealError ?? .memory(error as? SecretMemoryError ?? .exhausted)
        }
    }
}

/// Whether both hold the same bytes, in a time that depends on their length only.
package func isEqualInConstantTime(_ left: RawSpan, _ right: RawSpan) -> Bool {
    guard left.byteCount == right.byteCount else { return false }
    guard left.byteCount > 0 else { return true }
    return unsafe left.withUnsafeBytes { left in
        unsafe right.withUnsafeBytes { right in
            unsafe CRYPTO_memcmp(left.baseAddress, right.baseAddress, left.count) == 0
        }
    }
}

/// What of HKDF is to be done; one step alone is what HPKE is made of.
enum HKDFStep {
    case both, extract, expand

    fileprivate var mode: Int32 {
        switch self {
        case .both: EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND
        case .extract: EVP_KDF_HKDF_MODE_EXTRACT_ONLY
        case .expand: EVP_KDF_HKDF_MODE_EXPAND_ONLY
        }
    }
}

/// HKDF with SHA-256, extract and expand.
///
/// - Source: RFC 5869.
package func hkdf(_ key: RawSpan, salt: RawSpan, info: RawSpan, count: Int) throws(SealError) -> SecretValue {
    try hkdf(.both, key, salt: salt, info: info, count: count)
}

/// - Parameter count: 32 for `.extract`.
func hkdf(
    _ step: HKDFStep, _ key: RawSpan, salt: RawSpan, info: RawSpan, count: Int
) throws(SealError) -> SecretValue {
    guard let kdf = unsafe OpenSSL.hkdf else { throw OpenSSL.failure("EVP_KDF_fetch HKDF") }
    return try .sealing(capacity: count) { output throws(SealError) in
        let status = unsafe key.withUnsafeBytes { key in
            unsafe salt.withUnsafeBytes { salt in
                unsafe info.withUnsafeBytes { info in
                    unsafe output.withUnsafeMutableBytes { buffer, used in
                        used = count
                        return unsafe secretfs_hkdf_sha256(
                            kdf, step.mode, key.baseAddress, key.count, salt.baseAddress, salt.count,
                            info.baseAddress,
                            info.count,
                            buffer.baseAddress, count)
                    }
                }
            }
        }
        try OpenSSL.check(status, "HKDF")
    }
}

/// SHA-256, 32 bytes. For noticing accidents, and of secrets only where nobody can try them all: 256 random bits.
package func sha256(_ bytes: RawSpan) throws(SealError) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    guard let algorithm = unsafe OpenSSL.sha256 else { throw OpenSSL.failure("EVP_MD_fetch SHA256") }
    let status = unsafe bytes.withUnsafeBytes { bytes in
        unsafe digest.withUnsafeMutableBufferPointer { digest in
            unsafe EVP_Digest(bytes.baseAddress, bytes.count, digest.baseAddress, nil, algorithm, nil)
        }
    }
    try OpenSSL.check(status, "SHA-256")
    return digest
}

extension RawSpan {
    /// - Precondition: the byte is there.
    func byte(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

    /// - Precondition: the bytes are there.
    func bigEndian<T: FixedWidthInteger & BitwiseCopyable>(at offset: Int, as type: T.Type) -> T {
        unsafe T(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    func equals(_ text: StaticString) -> Bool {
        byteCount == text.utf8CodeUnitCount && starts(with: text)
    }

    func starts(with prefix: StaticString) -> Bool {
        guard byteCount >= prefix.utf8CodeUnitCount else { return false }
        return prefix.withUTF8Buffer { prefix in
            (0..<prefix.count).allSatisfy { unsafe byte(at: $0) == prefix[$0] }
        }
    }
}

extension [UInt8] {
    mutating func append<T: FixedWidthInteger>(bigEndian value: T) {
        for shift in stride(from: T.bitWidth - 8, through: 0, by: -8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
