import Secrets
import Store
import Testing

@Suite struct `The root key descriptor` {
    static func samples() throws -> [RootKeyDescriptor] {
        [
            .file(path: "/etc/secretfs/root.key"),
            .file(path: "/é"),
            .passphrase(try ScryptParameters.new()),
            .credential(name: "secretfs.root"),
        ]
    }

    @Test func `what is written reads back`() throws {
        for descriptor in try Self.samples() {
            #expect(try RootKeyDescriptor(decoding: try descriptor.encoded()) == descriptor)
        }
    }

    @Test func `every flipped bit and every truncation is an error`() throws {
        for descriptor in try Self.samples() {
            let bytes = try descriptor.encoded()
            for index in bytes.indices {
                for bit in 0..<8 {
                    var changed = bytes
                    changed[index] ^= 1 << bit
                    #expect(throws: RootKeyError.self) { try RootKeyDescriptor(decoding: changed) }
                }
                #expect(throws: RootKeyError.descriptorCorrupt) {
                    try RootKeyDescriptor(decoding: Array(bytes[..<index]))
                }
            }
            #expect(throws: RootKeyError.descriptorCorrupt) { try RootKeyDescriptor(decoding: bytes + [0]) }
        }
    }

    @Test func `a newer format is its own error, whatever follows`() throws {
        let bytes = Array("secretfs rootkey".utf8) + [2, 9] + [UInt8](repeating: 7, count: 10_000)
        let expected = RootKeyError.newerFormat(what: "the description of the root key", found: 2, known: 1)
        #expect(throws: expected) { try RootKeyDescriptor(decoding: bytes) }
    }

    @Test(arguments: [(60, 8, 1), (17, 255, 1), (17, 8, 255), (0, 0, 0)] as [(UInt8, UInt8, UInt8)])
    func `hostile parameters of scrypt are refused, hash and all`(_ n: UInt8, _ r: UInt8, _ p: UInt8) throws {
        var body = Array("secretfs rootkey".utf8) + [1, 2, n, r, p] + [UInt8](repeating: 0, count: 32)
        body += try sha256(body)
        let error = #expect(throws: RootKeyError.self) { try RootKeyDescriptor(decoding: body) }
        guard case .scryptOutOfBounds = error else {
            Issue.record("another error: \(String(describing: error))")
            return
        }
    }

    @Test func `hostile names and paths are refused, hash and all`() throws {
        func forged(_ kind: UInt8, _ text: [UInt8], length: Int? = nil) throws -> [UInt8] {
            let length = length ?? text.count
            let body =
                Array("secretfs rootkey".utf8) + [1, kind, UInt8(length >> 8), UInt8(length & 255)] + text
            return body + (try sha256(body))
        }
        for bytes in [
            try forged(1, Array("relative".utf8)), try forged(1, []), try forged(1, [0x2f, 0]),
            try forged(1, [0x2f, 0xff]),
            try forged(3, Array("../../etc/shadow".utf8)), try forged(3, []),
            try forged(1, Array("/a".utf8), length: 9),
            try forged(1, Array("/a".utf8), length: 1), try forged(4, Array("/a".utf8)), try forged(0, []),
        ] {
            #expect(throws: RootKeyError.self) { try RootKeyDescriptor(decoding: bytes) }
        }
    }
}
