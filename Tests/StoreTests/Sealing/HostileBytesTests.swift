import Secrets
import Store
import Testing

/// Storage is untrusted: whatever it holds, opening it ends in an error and never in a crash or a value.
@Suite struct `Hostile bytes` {
    /// SplitMix64: the same bytes in every run.
    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    /// Random bytes, as often as not behind the start of something real.
    private func strings(_ start: [UInt8], _ body: ([UInt8]) throws -> Void) rethrows {
        var random = Random(state: 2026)
        for round in 0..<10_000 {
            let tail = (0..<Int.random(in: 0...300, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            let real = round.isMultiple(of: 2) ? 0 : Int.random(in: 0...start.count, using: &random)
            try body(start[..<real] + tail)
        }
    }

    @Test func `10,000 random records are errors`() throws {
        let sealer = RecordSealer(try Keyring.create())
        let real = try sealer.seal([UInt8](repeating: 1, count: 100), "s/1")
        strings(Array(real.dropLast())) { bytes in
            // One byte of chance can complete the real thing.
            guard bytes != real else { return }
            #expect(throws: SealError.self) { try sealer.open(bytes, "s/1") }
        }
    }

    @Test func `10,000 random keyrings are errors`() throws {
        let root = try RootKey.random()
        let real = try Keyring.create().sealed(by: root)
        strings(Array(real.dropLast())) { bytes in
            guard bytes != real else { return }
            #expect(throws: KeyringError.self) { try Keyring(opening: bytes, with: root) }
        }
    }

    @Test func `10,000 keyrings with a hash that fits are errors`() throws {
        let root = try RootKey.random()
        let real = try Keyring.create().sealed(by: root)
        try strings(Array(real[..<105])) { bytes in
            let forged = bytes + (try sha256(bytes))
            #expect(throws: KeyringError.self) { try Keyring(opening: forged, with: root) }
        }
    }

    @Test func `10,000 random descriptors are errors, or mean what they say`() throws {
        let real = try RootKeyDescriptor.file(path: "/etc/secretfs/root.key").encoded()
        try strings(Array(real.dropLast(32))) { bytes in
            let forged = bytes + (try sha256(bytes))
            #expect(throws: RootKeyError.self) { try RootKeyDescriptor(decoding: bytes) }
            if let descriptor = try? RootKeyDescriptor(decoding: forged) {
                #expect(try descriptor.encoded() == forged)
            }
        }
    }
}
