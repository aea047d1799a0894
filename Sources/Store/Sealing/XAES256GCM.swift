internal import Glibc
internal import Secrets

/// XAES-256-GCM under one key: AES-256-GCM whose key is derived, for each message, from this key and the first
/// half of a 192-bit nonce. Nonces can be drawn at random with no practical limit: 2⁸⁰ messages have a risk
/// of 2⁻³² that two nonces meet.
///
/// Not key-committing: see `Keyring` for where that matters and what is done.
///
/// - Source: <https://c2sp.org/XAES-256-GCM>; GCM, NIST SP 800-38D.
@safe package final class XAES256GCM: Sendable {
    package static let keyCount = 32
    package static let nonceCount = 24
    package static let tagCount = 16
    private static let blockCount = 16
    /// The key (32 bytes), then K1 (16), which depends on nothing else and is computed once.
    private let material: SecretValue
    private let lanes: CipherLanes

    /// - Precondition: `key` has 32 bytes.
    package init(key: RawSpan) throws(SealError) {
        precondition(key.byteCount == Self.keyCount)
        let lane = try CipherLane(key)
        material = try .sealing(capacity: Self.keyCount + Self.blockCount) { span throws(SealError) in
            span.append(copying: key)
            try Self.appendK1(to: &span, lane)
        }
        lanes = CipherLanes(first: lane)
    }

    /// K1 = AES-256ₖ(0) doubled in GF(2¹²⁸), as CMAC has it.
    private static func appendK1(to span: inout OutputRawSpan, _ lane: CipherLane) throws(SealError) {
        try unsafe span.withUnsafeMutableBytes { buffer, count throws(SealError) in
            guard let start = buffer.baseAddress else { throw .malformed }
            let block = unsafe start + count
            unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: blockCount)
            try unsafe lane.blocks.encryptBlocks(block, count: blockCount, into: block)
            let high = unsafe UInt64(bigEndian: block.loadUnaligned(as: UInt64.self))
            let low = unsafe UInt64(bigEndian: block.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            // A mask, not a branch: the bit is secret.
            let reduction = (0 &- (high >> 63)) & 0x87
            let doubledHigh = high << 1 | low >> 63
            let doubledLow = low << 1 ^ reduction
            unsafe block.storeBytes(of: doubledHigh.bigEndian, as: UInt64.self)
            unsafe block.storeBytes(of: doubledLow.bigEndian, toByteOffset: 8, as: UInt64.self)
            count += blockCount
        }
    }

    /// Lends the 32 bytes of the key.
    func withKey<R, E>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try material.withBytes { bytes throws(E) in try body(bytes.extracting(first: Self.keyCount)) }
    }

    /// Appends the ciphertext and the tag: `plaintext.byteCount` + 16 bytes.
    ///
    /// - Precondition: `nonce` has 24 bytes, `destination` has the room.
    package func seal(
        _ plaintext: RawSpan, nonce: RawSpan, authenticating data: RawSpan,
        into destination: inout OutputSpan<UInt8>
    ) throws(SealError) {
        let count = plaintext.byteCount + Self.tagCount
        precondition(nonce.byteCount == Self.nonceCount && destination.freeCapacity >= count)
        try unsafe destination.withUnsafeMutableBufferPointer { buffer, used throws(SealError) in
            let output = unsafe UnsafeMutableRawBufferPointer(buffer)[used...]
            try withMessage(nonce, data) { lane, input throws(SealError) in
                guard let start = unsafe UnsafeMutableRawBufferPointer(rebasing: output).baseAddress else {
                    throw .malformed
                }
                try unsafe plaintext.withUnsafeBytes { text throws(SealError) in
                    try unsafe lane.gcm.sealGCM(text, input, into: start)
                }
            }
            used += count
        }
    }

    /// Appends the plaintext of `sealed` (ciphertext and tag), which is 16 bytes shorter.
    ///
    /// - Precondition: `nonce` has 24 bytes.
    /// - Throws: `.damaged`, `.malformed`, `.doesNotFit`; then nothing was appended, and whatever was written
    ///   on the way is wiped.
    package func open(
        _ sealed: RawSpan, nonce: RawSpan, authenticating data: RawSpan, into destination: inout OutputRawSpan
    ) throws(SealError) {
        precondition(nonce.byteCount == Self.nonceCount)
        let count = sealed.byteCount - Self.tagCount
        guard count >= 0 else { throw .malformed }
        guard destination.freeCapacity >= count else {
            throw .doesNotFit(count: count, room: destination.freeCapacity)
        }
        try unsafe destination.withUnsafeMutableBytes { buffer, used throws(SealError) in
            var empty: UInt64 = 0
            try unsafe withUnsafeMutableBytes(of: &empty) { empty throws(SealError) in
                // A destination without room has no address, and an empty message is authenticated all the same.
                guard let start = unsafe (buffer.baseAddress.map { unsafe $0 + used } ?? empty.baseAddress)
                else {
                    throw .malformed
                }
                try withMessage(nonce, data) { lane, input throws(SealError) in
                    try unsafe sealed.withUnsafeBytes { sealed throws(SealError) in
                        try unsafe lane.gcm.openGCM(sealed, input, into: start)
                    }
                }
            }
            used += count
        }
    }
}

extension XAES256GCM {
    /// Derives the message's key, and wipes it when `body` ends.
    private func withMessage(
        _ nonce: RawSpan, _ data: RawSpan, _ body: (CipherLane, GCMInput) throws(SealError) -> Void
    ) throws(SealError) {
        try lanes.withLane { () throws(SealError) in
            try withKey { key throws(SealError) in try CipherLane(key) }
        } _: { lane throws(SealError) in
            try unsafe withUnsafeTemporaryAllocation(byteCount: Self.keyCount, alignment: 16) {
                derived throws(SealError) in
                guard let key = derived.baseAddress else { throw .malformed }
                defer { unsafe explicit_bzero(key, Self.keyCount) }
                try unsafe nonce.withUnsafeBytes { nonce throws(SealError) in
                    guard let start = nonce.baseAddress else { throw .malformed }
                    try unsafe derive(lane, start, into: key)
                    try unsafe data.withUnsafeBytes { data throws(SealError) in
                        try unsafe body(lane, GCMInput(key: key, nonce: start + 12, authenticated: data))
                    }
                }
            }
        }
    }

    /// Kₓ = AES-256ₖ(M1 ⊕ K1) ‖ AES-256ₖ(M2 ⊕ K1), where Mᵢ = 0 ‖ i ‖ `X` ‖ 0 ‖ the nonce's first 12 bytes.
    private func derive(
        _ lane: CipherLane, _ nonce: UnsafeRawPointer, into key: UnsafeMutableRawPointer
    ) throws(SealError) {
        for index in 0..<2 {
            let block = unsafe key + index * Self.blockCount
            unsafe block.storeBytes(of: UInt32(0x0000_5800 | (index + 1) << 16).bigEndian, as: UInt32.self)
            unsafe (block + 4).copyMemory(from: nonce, byteCount: 12)
            material.withBytes { material in
                for half in [0, 8] {
                    let mask = unsafe material.unsafeLoadUnaligned(
                        fromByteOffset: Self.keyCount + half, as: UInt64.self)
                    let word = unsafe block.loadUnaligned(fromByteOffset: half, as: UInt64.self)
                    unsafe block.storeBytes(of: word ^ mask, toByteOffset: half, as: UInt64.self)
                }
            }
        }
        try unsafe lane.blocks.encryptBlocks(key, count: Self.keyCount, into: key)
    }
}
