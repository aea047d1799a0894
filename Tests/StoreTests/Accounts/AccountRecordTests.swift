import Foundation
import Secrets
import Testing

@testable import Store

/// Storage is the attacker here.
@Suite struct `Records of users and keys` {
    private let moment = Timestamp(seconds: 1, nanoseconds: 0)

    private func verifier() throws -> PasswordVerifier {
        PasswordVerifier(parameters: try .new(), hash: [UInt8](repeating: 7, count: 32))
    }

    private func sample() throws -> User {
        User(name: try named(), id: UUID(), created: moment, modified: moment, roles: [.admin])
    }

    private func sampleKey(expires: Timestamp? = nil) throws -> APIKey {
        APIKey(
            id: try APIKeyID("ab2cd3ef4g"), user: try named(), userID: UUID(), label: .none, created: moment,
            expires: expires, isReadOnly: true, hash: [UInt8](repeating: 7, count: 32))
    }

    @Test func `come back as they were`() throws {
        var alice = try sample()
        #expect(try User(alice.name, decoding: alice.encoded()) == alice)
        alice.verifier = try verifier()
        alice.isDisabled = true
        alice.epoch = 7
        alice.roles = try ["collaborator:nlp/A", "owner:nlp", "viewer"].map(Role.init)
        #expect(try User(alice.name, decoding: alice.encoded()) == alice)
        for key in [try sampleKey(), try sampleKey(expires: moment)] {
            #expect(try APIKey(key.id, decoding: key.encoded()) == key)
        }
    }

    /// > `alice` as `admin` with a password: 127 bytes, without one 60. — docs/FORMAT.md#metadata
    /// > A key of `alice` without a label and without an end: 72 bytes. — docs/FORMAT.md#metadata
    @Test func `have the bytes that the document counts`() throws {
        var alice = try sample()
        #expect(alice.encoded().count == 60)
        alice.verifier = try verifier()
        #expect(alice.encoded().count == 127 && alice.encoded()[..<2] == [0x50, 1])
        #expect(try sampleKey().encoded().count == 72)
        #expect(try sampleKey().encoded()[..<2] == [0x4B, 1])
    }

    @Test func `that are cut, longer, of another kind or out of bounds are none`() throws {
        var alice = try sample()
        alice.verifier = try verifier()
        let (bytes, key) = (alice.encoded(), try sampleKey().encoded())
        for count in bytes.indices {
            #expect(throws: RecordFormatError.self) { try User(named(), decoding: Array(bytes[..<count])) }
        }
        for count in key.indices {
            #expect(throws: RecordFormatError.self) {
                try APIKey(APIKeyID("ab2cd3ef4g"), decoding: Array(key[..<count]))
            }
        }
        #expect(throws: RecordFormatError.malformed) { try User(named(), decoding: bytes + [0]) }
        #expect(throws: RecordFormatError.malformed) { try User(named(), decoding: key) }
        #expect(throws: RecordFormatError.malformed) { try APIKey(APIKeyID("ab2cd3ef4g"), decoding: bytes) }
        // scrypt's N = 2^n stands where the password begins.
        for logarithm in [0, 13, 21, 255] as [UInt8] {
            var changed = bytes
            changed[bytes.count - 67] = logarithm
            #expect(throws: RecordFormatError.malformed) { try User(named(), decoding: changed) }
        }
        for roles in [[Role.viewer, .admin], [.admin, .admin]] {
            alice.roles = roles
            #expect(throws: RecordFormatError.malformed) { try User(named(), decoding: alice.encoded()) }
        }
    }

    @Test func `let nobody in when storage changes or exchanges them`() throws {
        try withAlice { store, _ in
            try store.createUser(named("mallory"), roles: [.admin], password: nil)
            let (_, alice) = try store.newKey()
            let (_, mallory) = try store.newKey("mallory")
            let records = try store.accountRecords()
            for record in records {
                for index in record.bytes.indices {
                    var flipped = record.bytes
                    flipped[index] ^= 1 << UInt8(index % 8)
                    try store.storage.commit(Transaction(then: [.put(record.key, flipped)]))
                    let ours = record.key.text.contains("alice") ? alice : mallory
                    if record.key.text.hasPrefix("user/") {
                        #expect(throws: StoreError.self) { try store.who(ours) }
                    }
                    for text in [alice, mallory] {
                        let found = try? store.who(text)
                        let name = text == alice ? "alice" : "mallory"
                        #expect(found == nil || found?.user.text == name)
                    }
                }
                for other in records where other.key != record.key {
                    try store.storage.commit(Transaction(then: [.put(record.key, other.bytes)]))
                    for text in [alice, mallory] {
                        let found = try? store.who(text)
                        #expect(found == nil || found?.user.text == (text == alice ? "alice" : "mallory"))
                        #expect(found?.permissions.roles != [.admin] || text == mallory)
                    }
                }
                try store.storage.commit(Transaction(then: [.put(record.key, record.bytes)]))
            }
            #expect(try store.who(alice) != nil && store.who(mallory) != nil)
        }
    }

    @Test func `that do not open are found, and can be deleted`() throws {
        try withAlice { store, _ in
            let (key, _) = try store.newKey()
            let (bad, text) = try store.newKey()
            func damage(_ place: RecordKey) throws {
                try store.storage.commit(Transaction(then: [.put(place, [UInt8](repeating: 1, count: 99))]))
            }
            try damage(Keys.apiKey(bad.id))
            #expect(throws: StoreError.self) { try store.who(text) }
            #expect(throws: StoreError.self) { try store.apiKeys() }
            _ = try store.newKey()
            let found = try store.damagedRecords { _ in true }
            #expect(found.records.map(\.key) == [Keys.apiKey(bad.id).text])
            try store.revokeAPIKey(bad.id)
            #expect(try store.apiKeys().count == 2)
            try damage(Keys.user(named()))
            #expect(throws: StoreError.self) { try store.newKey() }
            try store.deleteUser(named())
            #expect(try store.accountRecords().isEmpty && store.apiKeys().allSatisfy { $0.id != key.id })
        }
    }

    @Test func `hold neither a key nor a password, and print none`() throws {
        try withSecretStore { store, directory in
            try store.createUser(named(), roles: [.admin], password: secret(goodPassword))
            let (_, text) = try store.newKey()
            for record in try store.accountRecords() {
                let opened = try store.openMetadata(record.bytes, record.key)
                let plaintext = String(decoding: opened, as: UTF8.self)
                #expect(!plaintext.contains(goodPassword) && !plaintext.contains(text.suffix(52)))
            }
            let alice = try store.user(named())
            let hash = try #require(alice.verifier?.hash)
            #expect(!"\(alice) \(String(reflecting: alice))".contains("\(hash)"))
            #expect(alice.verifier?.parameters.logarithm == 17)
            for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
                let bytes = try Data(contentsOf: URL(filePath: directory + "/" + name))
                #expect(bytes.range(of: Data(goodPassword.utf8)) == nil, "\(name)")
                #expect(bytes.range(of: Data(text.suffix(52).utf8)) == nil, "\(name)")
            }
        }
    }
}
