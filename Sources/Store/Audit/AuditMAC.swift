internal import COpenSSL
internal import Secrets

/// HMAC-SHA256 of the lines of one audit log (RFC 2104, FIPS 198-1). Used by one thread at a time.
@safe final class AuditMAC: Sendable {
    /// In bytes.
    static let count = 32

    // SAFETY: owned by this object alone until `deinit` frees it; who has it gives it to one thread at a time.
    private nonisolated(unsafe) let context: OpaquePointer

    init(_ key: AuditKey) throws(SealError) {
        let context = unsafe key.bytes.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe secretfs_hmac_sha256($0.baseAddress, $0.count) }
        }
        guard let context = unsafe context else { throw OpenSSL.failure("HMAC-SHA256") }
        unsafe self.context = context
    }

    deinit { unsafe EVP_MAC_CTX_free(context) }

    /// The MAC of a line: of `previous`, the MAC of the line before, and then of `line` up to its own MAC.
    func authenticate(_ previous: RawSpan, _ line: RawSpan) throws(SealError) -> [UInt8] {
        var mac = [UInt8](repeating: 0, count: Self.count)
        try unsafe mac.withUnsafeMutableBufferPointer { bytes throws(SealError) in
            try unsafe authenticate(previous, line, into: UnsafeMutableRawBufferPointer(bytes))
        }
        return mac
    }

    /// As `authenticate(_:_:)`, in memory that is there.
    ///
    /// - Precondition: `mac` has 32 bytes.
    func authenticate(
        _ previous: RawSpan, _ line: RawSpan, into mac: UnsafeMutableRawBufferPointer
    ) throws(SealError) {
        try OpenSSL.check(unsafe EVP_MAC_init(context, nil, 0, nil), "EVP_MAC_init")
        try update(previous)
        try update(line)
        var written = 0
        let status = unsafe EVP_MAC_final(
            context, mac.assumingMemoryBound(to: UInt8.self).baseAddress, &written, mac.count)
        try OpenSSL.check(status == 1 && written == Self.count ? 1 : 0, "EVP_MAC_final")
    }

    private func update(_ bytes: RawSpan) throws(SealError) {
        let status = unsafe bytes.withUnsafeBytes { bytes in
            unsafe EVP_MAC_update(
                context, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
        }
        try OpenSSL.check(status, "EVP_MAC_update")
    }
}
