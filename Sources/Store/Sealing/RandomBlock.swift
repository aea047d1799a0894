/// Random bytes that are no secret (nonces, identities), drawn from the kernel in blocks: for one operation that
/// needs many, and never kept beyond it. Not copyable, so that no two places take the same bytes.
struct RandomBlock: ~Copyable {
    /// What one call of getentropy(3) gives.
    private static let count = 256
    private var bytes: [UInt8] = []
    private var used = 0

    /// - Precondition: at most 256.
    mutating func take(_ wanted: Int) throws(SealError) -> ArraySlice<UInt8> {
        if bytes.count - used < wanted {
            bytes = try randomBytes(Self.count)
            used = 0
        }
        defer { used += wanted }
        return bytes[used..<used + wanted]
    }
}
