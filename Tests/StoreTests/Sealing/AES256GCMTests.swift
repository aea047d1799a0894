import Foundation
import Secrets
import Store
import Testing

/// Against Wycheproof's vectors; Fixtures/README.md says which.
@Suite struct `AES-256-GCM beneath XAES-256-GCM` {
    struct Vector: Decodable {
        let tcId: Int
        let key: String
        let iv: String
        let aad: String
        let msg: String
        let ct: String
        let tag: String
        let valid: Bool
    }

    @Test func `Wycheproof's valid vectors open and seal, its invalid ones do not open`() throws {
        let vectors = try JSONDecoder().decode([Vector].self, from: Data(fixture("aes-256-gcm.json")))
        #expect(vectors.count == 66)
        #expect(vectors.count { !$0.valid } == 27)
        let context = try CipherContext.gcm()
        for vector in vectors {
            let (key, nonce, data) = (bytes(vector.key), bytes(vector.iv), bytes(vector.aad))
            let sealed = bytes(vector.ct) + bytes(vector.tag)
            var text = [UInt8](repeating: 0xee, count: sealed.count - 16)
            var resealed = [UInt8](repeating: 0, count: sealed.count)
            let opened = try key.withUnsafeBytes { key in
                try nonce.withUnsafeBytes { nonce in
                    try data.withUnsafeBytes { data in
                        let input = GCMInput(
                            key: try #require(key.baseAddress), nonce: try #require(nonce.baseAddress),
                            authenticated: data)
                        try Self.seal(bytes(vector.msg), input, into: &resealed, context)
                        return try Self.open(sealed, input, into: &text, context)
                    }
                }
            }
            #expect(opened == vector.valid, "test \(vector.tcId)")
            #expect((resealed == sealed) == vector.valid, "test \(vector.tcId)")
            #expect(
                vector.valid ? text == bytes(vector.msg) : text.allSatisfy { $0 == 0 }, "test \(vector.tcId)")
        }
    }

    private static func seal(
        _ text: [UInt8], _ input: GCMInput, into output: inout [UInt8], _ context: borrowing CipherContext
    ) throws {
        try output.withUnsafeMutableBytes { output in
            let start = try #require(output.baseAddress)
            try text.withUnsafeBytes { try context.sealGCM($0, input, into: start) }
        }
    }

    /// Whether it opened.
    private static func open(
        _ sealed: [UInt8], _ input: GCMInput, into output: inout [UInt8], _ context: borrowing CipherContext
    ) throws -> Bool {
        try output.withUnsafeMutableBytes { output in
            var empty: UInt8 = 0
            return try withUnsafeMutablePointer(to: &empty) { empty in
                let start = output.baseAddress ?? UnsafeMutableRawPointer(empty)
                do {
                    try sealed.withUnsafeBytes { try context.openGCM($0, input, into: start) }
                    return true
                } catch SealError.damaged { return false }
            }
        }
    }
}
