import Secrets
import Testing

@testable import Store

/// Storage is the attacker here: it gives back what it likes.
@Suite struct `Storage that lies` {
    private let original = ["A": "value of A", "B": "", "C": "value of C"]

    private func withVictim(_ body: (SecretStore) throws -> Void) throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createAlgorithm(algorithm("nlp/Other"))
            try store.createSecrets(original.map { try .plain($0.key, $0.value) }, of: home())
            try store.createSecrets([.plain("A", "value of another")], of: home("nlp/Other"))
            try body(store)
        }
    }

    /// Reads everything there is of `name`. A value that comes out must be the one that was put in.
    ///
    /// - Returns: whether anything was refused.
    private func isRefused(_ store: SecretStore, _ name: AlgorithmName) throws -> Bool {
        let view: AlgorithmView
        do { view = try store.view(of: name) } catch { return true }
        var isRefused = view.entries.count != original.count
        for entry in view.entries {
            do {
                let text = String(decoding: try entry.bytes(), as: UTF8.self)
                #expect(text == original[entry.name.text])
            } catch {
                isRefused = true
            }
            do { _ = try entry.sealed.details() } catch { isRefused = true }
        }
        return isRefused
    }

    /// Whether anything is refused while storage has `bytes` for `record`.
    private func isRefused(_ store: SecretStore, with bytes: [UInt8], for record: StoredRecord) throws -> Bool
    {
        try store.storage.commit(Transaction(then: [.put(record.key, bytes)]))
        let result = try isRefused(store, algorithm())
        try store.storage.commit(Transaction(then: [.put(record.key, record.bytes)]))
        return result
    }

    @Test func `every flipped byte and every truncation of every record is an error, never a value`() throws {
        try withVictim { store in
            for record in try store.allRecords() where record.key.text.contains("/Summarizer") {
                for index in record.bytes.indices {
                    var flipped = record.bytes
                    flipped[index] ^= 1 << UInt8(index % 8)
                    #expect(try isRefused(store, with: flipped, for: record), "\(record.key), byte \(index)")
                    #expect(
                        try isRefused(store, with: Array(record.bytes[..<index]), for: record),
                        "\(record.key), first \(index) bytes")
                }
                #expect(
                    try isRefused(store, with: record.bytes + [0], for: record), "\(record.key), a byte more")
            }
            #expect(try !isRefused(store, algorithm()), "untouched, it opens")
        }
    }

    @Test func `a record under another key is an error, never a value`() throws {
        try withVictim { store in
            let records = try store.allRecords()
            let mine = records.filter { $0.key.text.contains("/Summarizer") }
            for record in mine {
                for other in records where other.key != record.key {
                    #expect(
                        try isRefused(store, with: other.bytes, for: record), "\(other.key) as \(record.key)")
                }
            }
        }
    }

    @Test func `a record that is gone is an error for what needs it`() throws {
        try withVictim { store in
            for record in try store.allRecords() where record.key.text.contains("/Summarizer") {
                try store.storage.commit(Transaction(then: [.delete(record.key)]))
                #expect(try isRefused(store, algorithm()), "\(record.key)")
                try store.storage.commit(Transaction(then: [.put(record.key, record.bytes)]))
            }
        }
    }

    @Test func `the value of a deleted secret does not come back under a new one of its name`() throws {
        try withVictim { store in
            let old = try store.allRecords().filter { $0.key.text.hasPrefix("value/nlp/Summarizer/") }
            try store.deleteSecret(EnvironmentName("C"), of: home())
            try store.createSecrets([.plain("C", "value of C")], of: home())
            let new = try store.allRecords().filter { record in
                record.key.text.hasPrefix("value/nlp/Summarizer/") && !old.contains { $0.key == record.key }
            }
            #expect(new.count == 1)
            for record in new {
                for before in old {
                    #expect(try isRefused(store, with: before.bytes, for: record))
                }
            }
        }
    }

    @Test
    func
        `a data key that an old keyring does not know is an error, and the old keyring needs its own root key`()
        throws
    {
        try withTemporaryDirectory { directory in
            let root = try RootKey.random()
            let file = try RootKeyFile(directory + "/root.key")
            try file.create(root)
            _ = try SealedStore.create(at: directory, source: .file(path: file.path), root: root)
            let storage = try SQLiteStorage.open(at: directory)
            let key = RecordKey("keyring")
            let old = try #require(try storage.get(key)).bytes
            let rotated = try Keyring(opening: old, with: root).rotated()
            try storage.commit(Transaction(then: [.put(key, try rotated.sealed(by: root))]))
            let store = try reopen(directory)
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home())
            #expect(try reopen(directory).texts(algorithm()) == ["A": "1"])

            try storage.commit(Transaction(then: [.put(key, old)]))
            let before = try reopen(directory)
            #expect(throws: StoreError.self) { try before.view(of: algorithm()) }
            #expect(throws: StoreError.self) { try before.algorithms() }

            let foreign = try Keyring.create().sealed(by: RootKey.random())
            try storage.commit(Transaction(then: [.put(key, foreign)]))
            #expect(throws: StoreError.keyring(.wrongRootKey)) { try reopen(directory) }
        }
    }
}
