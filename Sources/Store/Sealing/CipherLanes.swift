internal import Glibc
internal import Synchronization

/// The two contexts that one message needs: the block function under the main key, and GCM. Made once and used
/// again, because making them costs as much as the message.
final class CipherLane: Sendable {
    let blocks: CipherContext
    let gcm: CipherContext

    /// - Precondition: `key` has 32 bytes.
    init(_ key: RawSpan) throws(SealError) {
        blocks = try unsafe key.withUnsafeBytes { key throws(SealError) in
            guard let start = key.baseAddress else { throw .malformed }
            return try unsafe .blocks(start)
        }
        gcm = try .gcm()
    }
}

/// Lanes of one key, for any number of threads, none of which ever waits: a thread tries the place that its
/// identity leads to, then the others, and when all are taken makes a lane of its own for this one message.
final class CipherLanes: Sendable {
    private final class Place: Sendable {
        let lane: Mutex<CipherLane?>
        init(_ lane: CipherLane?) { self.lane = Mutex(lane) }
    }
    /// A power of two.
    private static let count = 8
    private let places: [Place]

    init(first: CipherLane) { places = (0..<Self.count).map { Place($0 == 0 ? first : nil) } }

    /// Calls `body` with a lane that nobody else has meanwhile.
    ///
    /// A lane may be used again after an error: every message sets key, nonce and direction anew.
    func withLane(
        _ make: () throws(SealError) -> CipherLane, _ body: (CipherLane) throws(SealError) -> Void
    ) throws(SealError) {
        // Thread identities are addresses of stacks, equal in their low bits: multiply, and take high ones.
        let mixed = UInt64(pthread_self()) &* 0x9e37_79b9_7f4a_7c15
        let home = Int(truncatingIfNeeded: mixed >> 56)
        for offset in 0..<Self.count {
            let place = places[(home + offset) & (Self.count - 1)]
            let done: Void? = try place.lane.withLockIfAvailable { stored throws(SealError) in
                let lane: CipherLane
                if let stored {
                    lane = stored
                } else {
                    lane = try make()
                    stored = lane
                }
                try body(lane)
            }
            if done != nil { return }
        }
        try body(try make())
    }
}
