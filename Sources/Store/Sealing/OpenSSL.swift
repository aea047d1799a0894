internal import COpenSSL
internal import Glibc

/// The algorithms of libcrypto, each looked up once: a lookup takes locks and costs more than opening a record.
@safe enum OpenSSL {
    // SAFETY: never freed and never changed after they are fetched; EVP_CIPHER is safe to share.
    nonisolated(unsafe) static let aes256GCM = unsafe EVP_CIPHER_fetch(nil, "AES-256-GCM", nil)
    nonisolated(unsafe) static let aes256ECB = unsafe EVP_CIPHER_fetch(nil, "AES-256-ECB", nil)
    // SAFETY: as above, EVP_KDF and EVP_MD too.
    nonisolated(unsafe) static let hkdf = unsafe EVP_KDF_fetch(nil, "HKDF", nil)
    nonisolated(unsafe) static let sha256 = unsafe EVP_MD_fetch(nil, "SHA256", nil)

    /// - Throws: `.library(operation)` unless `status` is OpenSSL's success, 1.
    @inline(__always)
    static func check(_ status: Int32, _ operation: @autoclosure () -> String) throws(SealError) {
        guard status == 1 else { throw failure(operation()) }
    }

    static func failure(_ operation: String) -> SealError {
        // The queue belongs to the thread: leave nothing for a later caller to take for its own.
        ERR_clear_error()
        return .library(operation: operation)
    }
}

/// One EVP_CIPHER_CTX. Used by one thread at a time; its key schedule is wiped when it is freed.
///
/// Limit: libcrypto keeps key schedules in its own heap, which is wiped but not locked against swapping
/// (SECURITY.md#keys-in-memory).
@safe package struct CipherContext: ~Copyable, Sendable {
    // SAFETY: owned by this value alone until `deinit` frees it; the value's owner gives it to one thread at a
    // time.
    private nonisolated(unsafe) let context: OpaquePointer

    private init() throws(SealError) {
        guard let context = unsafe EVP_CIPHER_CTX_new() else { throw OpenSSL.failure("EVP_CIPHER_CTX_new") }
        unsafe self.context = context
    }

    /// For AES-256-GCM with 96-bit nonces; the key comes with each message.
    package static func gcm() throws(SealError) -> CipherContext {
        guard let cipher = unsafe OpenSSL.aes256GCM else {
            throw OpenSSL.failure("EVP_CIPHER_fetch AES-256-GCM")
        }
        let new = try CipherContext()
        let status = unsafe EVP_EncryptInit_ex2(new.context, cipher, nil, nil, nil)
        try OpenSSL.check(status, "EVP_EncryptInit_ex2 AES-256-GCM")
        return new
    }

    /// For the AES-256 block function under `key`, 32 bytes.
    static func blocks(_ key: UnsafeRawPointer) throws(SealError) -> CipherContext {
        guard let cipher = unsafe OpenSSL.aes256ECB else {
            throw OpenSSL.failure("EVP_CIPHER_fetch AES-256-ECB")
        }
        let new = try CipherContext()
        let bytes = unsafe key.assumingMemoryBound(to: UInt8.self)
        let status = unsafe EVP_EncryptInit_ex2(new.context, cipher, bytes, nil, nil)
        try OpenSSL.check(status, "EVP_EncryptInit_ex2 AES-256-ECB")
        try OpenSSL.check(unsafe EVP_CIPHER_CTX_set_padding(new.context, 0), "EVP_CIPHER_CTX_set_padding")
        return new
    }

    deinit { unsafe EVP_CIPHER_CTX_free(context) }

    /// AES-256 of each of the 16-byte blocks of `input`; in place is allowed.
    func encryptBlocks(_ input: UnsafeRawPointer, count: Int, into output: UnsafeMutableRawPointer)
        throws(SealError)
    {
        var written: Int32 = 0
        let status = unsafe EVP_EncryptUpdate(
            context, output.assumingMemoryBound(to: UInt8.self), &written,
            input.assumingMemoryBound(to: UInt8.self), Int32(truncatingIfNeeded: count))
        try OpenSSL.check(status == 1 && Int(written) == count ? 1 : 0, "EVP_EncryptUpdate of a block")
    }
}

/// A GCM message's parts that are not the message. 32, 12 and any number of bytes.
@safe package struct GCMInput {
    let key: UnsafeRawPointer
    let nonce: UnsafeRawPointer
    let authenticated: UnsafeRawBufferPointer

    package init(key: UnsafeRawPointer, nonce: UnsafeRawPointer, authenticated: UnsafeRawBufferPointer) {
        unsafe self.key = key
        unsafe self.nonce = nonce
        unsafe self.authenticated = authenticated
    }
}

extension CipherContext {
    package static let tagCount = 16

    /// Writes the ciphertext (`plaintext.count` bytes) and the tag (16).
    package func sealGCM(
        _ plaintext: UnsafeRawBufferPointer, _ input: GCMInput, into output: UnsafeMutableRawPointer
    ) throws(SealError) {
        let out = unsafe output.assumingMemoryBound(to: UInt8.self)
        try OpenSSL.check(
            unsafe EVP_EncryptInit_ex2(
                context, nil, input.key.assumingMemoryBound(to: UInt8.self),
                input.nonce.assumingMemoryBound(to: UInt8.self), nil), "EVP_EncryptInit_ex2")
        var written: Int32 = 0
        if unsafe !input.authenticated.isEmpty {
            let aad = unsafe input.authenticated.assumingMemoryBound(to: UInt8.self)
            let count = try Self.length(aad.count)
            try OpenSSL.check(
                unsafe EVP_EncryptUpdate(context, nil, &written, aad.baseAddress, count),
                "EVP_EncryptUpdate (AAD)")
        }
        if unsafe !plaintext.isEmpty {
            let text = unsafe plaintext.assumingMemoryBound(to: UInt8.self)
            let count = try Self.length(text.count)
            let status = unsafe EVP_EncryptUpdate(context, out, &written, text.baseAddress, count)
            try OpenSSL.check(status == 1 && written == count ? 1 : 0, "EVP_EncryptUpdate")
        }
        var rest: Int32 = 0
        try OpenSSL.check(
            unsafe EVP_EncryptFinal_ex(context, out + plaintext.count, &rest), "EVP_EncryptFinal_ex")
        let tag = unsafe output + plaintext.count
        let status = unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, Int32(Self.tagCount), tag)
        try OpenSSL.check(status, "EVP_CTRL_AEAD_GET_TAG")
    }

    /// Writes the plaintext of `sealed`, 16 bytes shorter. What was written is the plaintext only when this
    /// returns; when it throws, nothing of it is left in `output`.
    ///
    /// - Precondition: `sealed` has at least 16 bytes.
    package func openGCM(
        _ sealed: UnsafeRawBufferPointer, _ input: GCMInput, into output: UnsafeMutableRawPointer
    ) throws(SealError) {
        let count = sealed.count - Self.tagCount
        do {
            try unsafe decryptGCM(UnsafeRawBufferPointer(rebasing: sealed[..<count]), input, into: output)
            try unsafe verifyTag(UnsafeRawBufferPointer(rebasing: sealed[count...]))
        } catch {
            // CTR mode has already written plaintext that nobody vouches for.
            unsafe explicit_bzero(output, count)
            throw error
        }
    }

    private func decryptGCM(
        _ ciphertext: UnsafeRawBufferPointer, _ input: GCMInput, into output: UnsafeMutableRawPointer
    ) throws(SealError) {
        try OpenSSL.check(
            unsafe EVP_DecryptInit_ex2(
                context, nil, input.key.assumingMemoryBound(to: UInt8.self),
                input.nonce.assumingMemoryBound(to: UInt8.self), nil), "EVP_DecryptInit_ex2")
        var written: Int32 = 0
        if unsafe !input.authenticated.isEmpty {
            let aad = unsafe input.authenticated.assumingMemoryBound(to: UInt8.self)
            let count = try Self.length(aad.count)
            try OpenSSL.check(
                unsafe EVP_DecryptUpdate(context, nil, &written, aad.baseAddress, count),
                "EVP_DecryptUpdate (AAD)")
        }
        guard unsafe !ciphertext.isEmpty else { return }
        let text = unsafe ciphertext.assumingMemoryBound(to: UInt8.self)
        let count = try Self.length(text.count)
        let out = unsafe output.assumingMemoryBound(to: UInt8.self)
        let status = unsafe EVP_DecryptUpdate(context, out, &written, text.baseAddress, count)
        try OpenSSL.check(status == 1 && written == count ? 1 : 0, "EVP_DecryptUpdate")
    }

    private func verifyTag(_ tag: UnsafeRawBufferPointer) throws(SealError) {
        // EVP takes the tag through a pointer to non-const memory, and only reads it.
        let bytes = unsafe UnsafeMutableRawPointer(mutating: tag.baseAddress)
        let status = unsafe EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, Int32(Self.tagCount), bytes)
        try OpenSSL.check(status, "EVP_CTRL_AEAD_SET_TAG")
        var unused: (UInt64, UInt64) = (0, 0)
        var rest: Int32 = 0
        let final = unsafe withUnsafeMutableBytes(of: &unused) { block in
            unsafe EVP_DecryptFinal_ex(context, block.assumingMemoryBound(to: UInt8.self).baseAddress, &rest)
        }
        guard final == 1 else {
            ERR_clear_error()
            throw .damaged
        }
    }

    /// EVP counts in `int`.
    private static func length(_ count: Int) throws(SealError) -> Int32 {
        guard let length = Int32(exactly: count) else {
            throw .doesNotFit(count: count, room: Int(Int32.max))
        }
        return length
    }
}
