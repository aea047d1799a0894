internal import COpenSSL
internal import Glibc
package import Secrets

/// Keys that agree on a secret (RFC 7748). Private and public keys have 32 bytes.
///
/// Limit: libcrypto copies a private key into its own heap for the time of one operation, and wipes it there, but does
/// not lock that memory against swapping (SECURITY.md#keys-in-memory).
package enum X25519 {
    package static let keyCount = 32
    private static let name = "X25519"

    /// Every 32 random bytes are a private key.
    package static func newKey() throws(SealError) -> SecretValue {
        try .sealing(capacity: keyCount) { span throws(SealError) in try span.append(randomBytes: keyCount) }
    }

    package static func publicKey(of key: SecretValue) throws(SealError) -> [UInt8] {
        let own = unsafe try privateKey(key)
        defer { unsafe EVP_PKEY_free(own) }
        var bytes = [UInt8](repeating: 0, count: keyCount)
        var count = keyCount
        let status = unsafe EVP_PKEY_get_raw_public_key(own, &bytes, &count)
        try OpenSSL.check(status == 1 && count == keyCount ? 1 : 0, "EVP_PKEY_get_raw_public_key")
        return bytes
    }

    /// What `key` and whoever has the private key of `publicKey` both find.
    ///
    /// - Parameter publicKey: from outside, hostile.
    /// - Throws: also for a public key of small order, with which everybody would find the same (RFC 9180, 7.1.4).
    static func agreement(_ key: SecretValue, with publicKey: [UInt8]) throws(SealError) -> SecretValue {
        guard publicKey.count == keyCount else { throw .malformed }
        let own = unsafe try privateKey(key)
        defer { unsafe EVP_PKEY_free(own) }
        guard let peer = unsafe EVP_PKEY_new_raw_public_key_ex(nil, name, nil, publicKey, keyCount) else {
            throw OpenSSL.failure("EVP_PKEY_new_raw_public_key_ex")
        }
        defer { unsafe EVP_PKEY_free(peer) }
        guard let context = unsafe EVP_PKEY_CTX_new_from_pkey(nil, own, nil) else {
            throw OpenSSL.failure("EVP_PKEY_CTX_new_from_pkey")
        }
        defer { unsafe EVP_PKEY_CTX_free(context) }
        try OpenSSL.check(unsafe EVP_PKEY_derive_init(context), "EVP_PKEY_derive_init")
        try OpenSSL.check(unsafe EVP_PKEY_derive_set_peer(context, peer), "EVP_PKEY_derive_set_peer")
        let shared = try SecretValue.sealing(capacity: keyCount) { span throws(SealError) in
            try unsafe span.withUnsafeMutableBytes { buffer, used throws(SealError) in
                var count = keyCount
                let bytes = unsafe buffer.assumingMemoryBound(to: UInt8.self).baseAddress
                let status = unsafe EVP_PKEY_derive(context, bytes, &count)
                used = keyCount
                try OpenSSL.check(status == 1 && count == keyCount ? 1 : 0, "X25519")
            }
        }
        // libcrypto refuses it too; nothing here depends on that.
        let zero = [UInt8](repeating: 0, count: keyCount)
        guard shared.withBytes({ unsafe !isEqualInConstantTime($0, zero.span.bytes) }) else {
            throw .malformed
        }
        return shared
    }

    private static func privateKey(_ key: SecretValue) throws(SealError) -> OpaquePointer {
        let made = unsafe key.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { bytes in
                unsafe EVP_PKEY_new_raw_private_key_ex(
                    nil, name, nil, bytes.assumingMemoryBound(to: UInt8.self).baseAddress, bytes.count)
            }
        }
        guard let made = unsafe made else { throw OpenSSL.failure("EVP_PKEY_new_raw_private_key_ex") }
        return unsafe made
    }
}
