import Foundation
import Secrets
import Synchronization
import Testing

@testable import Store

/// Opens the store as a command does, which keeps the root key.
func reopenKeeping(_ directory: String) throws -> SecretStore {
    try SealedStore.open(at: directory).unseal(
        keeping: HeldRootKey(RootKeyFile(directory + "/root.key").read()))
}

extension KeyRotation {
    init(_ store: SecretStore) throws { try self.init(store) { _, _ in } }

    /// As `secretfs key rotate` does it.
    @discardableResult
    func rotate() throws -> Outcome {
        try addKey()
        return try finish()
    }

    @discardableResult
    func finish() throws -> Outcome {
        let (outcome, retired) = try resealAll { _ in }
        _ = try removeRetired(after: outcome, retired)
        return outcome
    }
}

extension SecretStore {
    /// The ids that the headers of all sealed records name.
    func idsInUse() throws -> Set<KeyID> { Set(try keyUsage().records.keys) }
}

@Suite struct `Rotating the data key` {
    private func fill(_ store: SecretStore, _ count: Int = 30) throws -> [String: String] {
        try store.createAlgorithm(algorithm())
        let values = Dictionary(uniqueKeysWithValues: (0..<count).map { ("N\($0)", "value \($0)") })
        try store.createSecrets(values.map { try .plain($0.key, $0.value) }, of: home())
        return values
    }

    @Test func `seals every record by the new key and destroys the old one`() throws {
        try withSecretStore { store, directory in
            let values = try fill(store)
            let before = try store.keyUsage()
            #expect(before.keys.count == 1 && before.left == 0 && before.records.values.reduce(0, +) == 63)
            let command = try reopenKeeping(directory)
            let outcome = try KeyRotation(command).rotate()
            #expect(outcome.resealed == 63 && outcome.damagedCount == 0)
            let after = try command.keyUsage()
            #expect(after.keys.map(\.id) != before.keys.map(\.id) && after.keys.count == 1)
            #expect(after.records == [after.keys[0].id: 63] && after.generation == 3)
            #expect(try reopen(directory).texts(algorithm()) == values)
        }
    }

    @Test func `kept keys stay until they are removed, and a second rotation takes all of them`() throws {
        try withSecretStore { _, directory in
            let command = try reopenKeeping(directory)
            let values = try fill(command)
            let rotation = try KeyRotation(command)
            for _ in 0..<3 {
                try rotation.addKey()
                try command.updateSecret(EnvironmentName("N0"), of: home(), .value("value 0"))
            }
            #expect(try command.keyUsage().keys.count == 4)
            #expect(try command.idsInUse().count == 4)
            try rotation.rotate()
            #expect(try command.keyUsage().keys.count == 1)
            #expect(try reopen(directory).texts(algorithm()) == values)
        }
    }

    @Test func `an open store follows at its next write and its next read`() throws {
        try withSecretStore { _, directory in
            let slow = try reopenKeeping(directory)
            var values = try fill(slow)
            let other = try reopenKeeping(directory)
            try KeyRotation(other).rotate()
            let active = try #require(try other.keyUsage().active)
            #expect(try slow.texts(algorithm()) == values, "reads records of a key it did not know")
            let slower = try reopenKeeping(directory)
            try KeyRotation(other).rotate()
            try slower.createSecrets([.plain("NEW", "1")], of: home())
            values["NEW"] = "1"
            #expect(try slower.idsInUse() == [try #require(try other.keyUsage().active)])
            #expect(try !slower.idsInUse().contains(active))
            #expect(try reopen(directory).texts(algorithm()) == values)
        }
    }

    @Test func `what was sealed by the old key before the rotation is not committed after it`() throws {
        try withSecretStore { _, directory in
            let slow = try reopenKeeping(directory)
            try slow.createAlgorithm(algorithm())
            var random = RandomBlock()
            let key = RecordKey("secret/nlp/Summarizer/LATE")
            let sealed = try slow.seal(metadata: [1], under: key, &random)
            try KeyRotation(try reopenKeeping(directory)).rotate()
            #expect(throws: StoreError.storage(.conflict(Keys.keyring))) {
                try slow.put(if: [], then: [.put(key, sealed)])
            }
            try slow.renewKeys()
            #expect(throws: StoreError.storage(.conflict(Keys.keyring)), "also with the new keyring") {
                try slow.put(if: [], then: [.put(key, sealed)])
            }
        }
    }

    @Test func `two rotations at once lose no key and leave one`() throws {
        try withSecretStore { store, directory in
            let values = try fill(store, 200)
            let failures = Mutex<[String]>([])
            DispatchQueue.concurrentPerform(iterations: 4) { _ in
                do {
                    for _ in 0..<3 { try KeyRotation(try reopenKeeping(directory)).rotate() }
                } catch { failures.withLock { $0.append("\(error)") } }
            }
            #expect(failures.withLock { $0 }.isEmpty)
            let after = try reopenKeeping(directory).keyUsage()
            // 12 keys were added, and as many taken out.
            #expect(after.keys.count == 1 && after.unknown == 0 && after.generation == 25)
            #expect(try reopen(directory).texts(algorithm()) == values)
        }
    }

    @Test func `8 writers and 8 readers are not disturbed, and no write is lost`() throws {
        try withSecretStore { store, directory in
            let values = try fill(store, 16)
            let failures = Mutex<[String]>([])
            let isDone = Atomic(false)
            let last = Mutex(values)
            DispatchQueue.concurrentPerform(iterations: 17) { index in
                do {
                    let mine = try reopenKeeping(directory)
                    switch index {
                    case 0:
                        for _ in 0..<5 { try KeyRotation(mine).rotate() }
                        isDone.store(true, ordering: .relaxed)
                    case 1...8:
                        var round = 0
                        while !isDone.load(ordering: .relaxed) {
                            let name = "N\(index)"
                            try mine.updateSecret(EnvironmentName(name), of: home(), .value("round \(round)"))
                            last.withLock { $0[name] = "round \(round)" }
                            round += 1
                        }
                    default:
                        while !isDone.load(ordering: .relaxed) {
                            let texts = try mine.texts(algorithm())
                            guard texts["N15"] == "value 15", texts.count == 16 else { throw Torn() }
                        }
                    }
                } catch {
                    isDone.store(true, ordering: .relaxed)
                    failures.withLock { $0.append("\(index): \(error)") }
                }
            }
            #expect(failures.withLock { $0 }.isEmpty)
            try KeyRotation(try reopenKeeping(directory)).finish()
            #expect(try reopen(directory).texts(algorithm()) == last.withLock { $0 })
            #expect(try reopenKeeping(directory).idsInUse().count == 1)
        }
    }
    private struct Torn: Error {}

    @Test func `a record that does not open holds up nothing, and keeps its key`() throws {
        try withSecretStore { store, directory in
            let values = try fill(store)
            let command = try reopenKeeping(directory)
            let key = Keys.secret(try EnvironmentName("N3"), of: try home())
            let record = try #require(try store.storage.get(key))
            var damaged = record.bytes
            damaged[40] ^= 1
            try store.storage.commit(Transaction(then: [.put(key, damaged)]))
            let old = try #require(try command.keyUsage().active)
            let outcome = try KeyRotation(command).rotate()
            #expect(outcome.damaged == [key.text] && outcome.resealed == 62)
            let usage = try command.keyUsage()
            #expect(usage.keys.map(\.id).contains(old) && usage.left == 1)
            try store.storage.commit(Transaction(then: [.put(key, record.bytes)]))
            #expect(try KeyRotation(command).finish().resealed == 1)
            #expect(try command.keyUsage().keys.count == 1)
            #expect(try reopen(directory).texts(algorithm()) == values)
        }
    }

    @Test func `followers are told of the keyring and of no record`() throws {
        try withSecretStore { store, directory in
            _ = try fill(store, 100)
            let before = try store.revision()
            try KeyRotation(try reopenKeeping(directory)).rotate()
            #expect(try store.storage.changes(since: before).keys == [Keys.keyring])
        }
    }
}
