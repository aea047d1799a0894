import Secrets
import Store
import Testing

@Suite struct `XAES-256-GCM` {
    struct Vector: Sendable {
        let key: UInt8
        let data: String
        let sealed: String
    }
    /// From the specification; the first has MSB₁(L) = 0, the second 1.
    static let vectors = [
        Vector(key: 1, data: "", sealed: "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"),
        Vector(
            key: 3, data: "c2sp.org/XAES-256-GCM",
            sealed: "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"),
    ]

    @Test(arguments: vectors)
    func `the specification's vectors`(_ vector: Vector) throws {
        let cipher = try XAES256GCM(key: [UInt8](repeating: vector.key, count: 32).span.bytes)
        let nonce = Array("ABCDEFGHIJKLMNOPQRSTUVWX".utf8)
        let sealed = try cipher.seal(Array("XAES-256-GCM".utf8), nonce: nonce, data: Array(vector.data.utf8))
        #expect(hex(sealed) == vector.sealed)
        #expect(
            try cipher.open(sealed, nonce: nonce, data: Array(vector.data.utf8)) == Array("XAES-256-GCM".utf8)
        )
    }

    /// SHAKE-128 of 10,000 sealed messages, whose keys, nonces, texts and data come from SHAKE-128.
    @Test func `the specification's accumulated vector of 10,000 random messages`() throws {
        var random = Shake128()
        var hash = Shake128()
        for _ in 0..<10_000 {
            let cipher = try XAES256GCM(key: random.squeeze(32).span.bytes)
            let nonce = random.squeeze(24)
            let text = random.squeeze(Int(random.squeeze(1)[0]))
            let data = random.squeeze(Int(random.squeeze(1)[0]))
            let sealed = try cipher.seal(text, nonce: nonce, data: data)
            guard try cipher.open(sealed, nonce: nonce, data: data) == text else {
                Issue.record("a message does not open to what was sealed")
                return
            }
            hash.absorb(sealed)
        }
        #expect(hex(hash.squeeze(32)) == "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939")
    }

    @Test func `a message that does not authenticate leaves nothing of itself behind`() throws {
        let cipher = try XAES256GCM(key: [UInt8](repeating: 7, count: 32).span.bytes)
        let nonce = [UInt8](repeating: 9, count: 24)
        var sealed = try cipher.seal(Array("plaintext plaintext".utf8), nonce: nonce, data: [])
        sealed[sealed.count - 1] ^= 1
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 1)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0xee)
        var output = OutputRawSpan(buffer: memory, initializedCount: 3)
        #expect(throws: SealError.damaged) {
            try cipher.open(
                sealed.span.bytes, nonce: nonce.span.bytes, authenticating: RawSpan(), into: &output)
        }
        #expect(output.finalize(for: memory) == 3)
        #expect(memory[..<3].allSatisfy { $0 == 0xee } && memory[22...].allSatisfy { $0 == 0xee })
        #expect(memory[3..<22].allSatisfy { $0 == 0 })
    }

    @Test func `what does not fit is refused and not cut`() throws {
        let cipher = try XAES256GCM(key: [UInt8](repeating: 7, count: 32).span.bytes)
        let nonce = [UInt8](repeating: 9, count: 24)
        let sealed = try cipher.seal([1, 2, 3], nonce: nonce, data: [])
        #expect(throws: SealError.doesNotFit(count: 3, room: 2)) {
            try SecretValue(capacity: 2) { output in
                try cipher.open(
                    sealed.span.bytes, nonce: nonce.span.bytes, authenticating: RawSpan(), into: &output)
            }
        }
    }

    @Test func `printing a key tells nothing of it`() throws {
        let cipher = try XAES256GCM(key: Array("hunter2-hunter2-hunter2-hunter2!".utf8).span.bytes)
        var dumped = ""
        dump(cipher, to: &dumped)
        let number = String(UInt8(ascii: "h"))
        for text in ["\(cipher)", String(reflecting: cipher), dumped] {
            #expect(!text.contains("hunter2") && !text.contains("value: \(number)"))
        }
    }
}
