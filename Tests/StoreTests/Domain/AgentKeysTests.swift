import Secrets
import Testing

@testable import Store

/// A store without its root key, as the agent has it.
@Suite struct `A store that is told of new keys` {
    private func withAgent(_ body: (_ agent: SecretStore, _ command: SecretStore, String) throws -> Void)
        throws
    {
        try withSecretStore { agent, directory in
            try agent.createAlgorithm(algorithm())
            try agent.createSecrets([.plain("A", "1")], of: home())
            try body(agent, try reopenKeeping(directory), directory)
        }
    }

    private func telling(_ agent: SecretStore) -> KeyRotation.Announcement {
        { keyring, root in
            try agent.expect(keyring: keyring, by: root)
            try agent.renewKeys()
        }
    }

    @Test func `follows a rotation, reads and writes`() throws {
        try withAgent { agent, command, directory in
            try KeyRotation(command, announce: telling(agent)).rotate()
            #expect(try agent.hasNewestKeys() && agent.keyGeneration == 3)
            #expect(try agent.texts(algorithm()) == ["A": "1"])
            try agent.updateSecret(EnvironmentName("A"), of: home(), .value("2"))
            #expect(try reopen(directory).texts(algorithm()) == ["A": "2"])
            #expect(try command.idsInUse().count == 1)
        }
    }

    @Test func `what mounts hold opens after the old key was destroyed`() throws {
        try withAgent { agent, command, _ in
            let held = try agent.view(of: algorithm()).entries[0]
            try KeyRotation(command, announce: telling(agent)).rotate()
            #expect(try held.bytes() == Array("1".utf8))
            #expect(try held.sealed.details().description.text == "about")
        }
    }

    @Test func `that it was not told of is never guessed: no value, and no write`() throws {
        try withAgent { agent, command, _ in
            let held = try agent.view(of: algorithm()).entries[0]
            try KeyRotation(command).rotate()
            #expect(try !agent.renewKeys() && !agent.hasNewestKeys())
            #expect(try held.bytes() == Array("1".utf8), "what it has goes on")
            #expect(throws: StoreError.self) { try agent.view(of: algorithm()) }
            #expect(throws: StoreError.keysOutdated) { try agent.createAlgorithm(algorithm("nlp/Other")) }
        }
    }

    /// The command was killed between telling the agent and its commit.
    @Test func `a keyring that was never stored counts for nothing`() throws {
        try withAgent { agent, command, directory in
            struct Killed: Error {}
            let rotation = try KeyRotation(command) { keyring, root in
                try agent.expect(keyring: keyring, by: root)
                throw Killed()
            }
            for _ in 0..<20 { #expect(throws: Killed.self) { try rotation.addKey() } }
            #expect(try !agent.renewKeys() && agent.keyGeneration == 1)
            try agent.updateSecret(EnvironmentName("A"), of: home(), .value("2"))
            #expect(try reopen(directory).texts(algorithm()) == ["A": "2"])
            try KeyRotation(command, announce: telling(agent)).rotate()
            #expect(try agent.texts(algorithm()) == ["A": "2"])
        }
    }

    @Test func `an older keyring that is put back is refused by who saw the newer one`() throws {
        try withAgent { agent, command, directory in
            let storage = agent.storage
            let old = try #require(try storage.get(Keys.keyring)).bytes
            let sealedByOld = try #require(try storage.get(Keys.secret(EnvironmentName("A"), of: home())))
                .bytes
            try KeyRotation(command, announce: telling(agent)).rotate()
            try storage.commit(Transaction(then: [.put(Keys.keyring, old)]))
            #expect(try !agent.renewKeys())
            #expect(throws: StoreError.keyring(.older(found: 1, known: 3))) { try command.renewKeys() }
            #expect(try agent.texts(algorithm()) == ["A": "1"])
            #expect(throws: StoreError.keysOutdated) {
                try agent.updateSecret(EnvironmentName("A"), of: home(), .value("2"))
            }
            #expect(throws: StoreError.keyring(.older(found: 1, known: 3))) {
                try agent.unseal(by: RootKeyFile(directory + "/root.key").read())
            }
            // A new command has nothing to compare with; the records of the new key do not open.
            #expect(throws: StoreError.self) { try reopen(directory).view(of: algorithm()) }
            // And a record of the destroyed key is none to the agent.
            try storage.commit(
                Transaction(then: [.put(Keys.secret(EnvironmentName("A"), of: home()), sealedByOld)]))
            let entry = try #require(try agent.view(of: algorithm()).entries.first)
            #expect(entry.isUnreadable)
            #expect(throws: OpenError.damaged) { try entry.bytes() }
        }
    }

    @Test func `sealed, it opens nothing, also of what mounts hold, until it gets its keys again`() throws {
        try withAgent { agent, command, directory in
            let before = try agent.view(of: algorithm()).entries[0]
            try KeyRotation(command, announce: telling(agent)).rotate()
            let held = try agent.view(of: algorithm()).entries[0]
            agent.seal()
            #expect(agent.isSealed)
            for entry in [before, held] {
                #expect(throws: OpenError.sealed) { try entry.bytes() }
                #expect(throws: OpenError.sealed) { try entry.sealed.details() }
            }
            #expect(throws: StoreError.sealed) { try agent.view(of: algorithm()) }
            #expect(throws: StoreError.sealed) { try agent.createAlgorithm(algorithm("nlp/Other")) }
            #expect(throws: StoreError.keyring(.wrongRootKey)) { try agent.unseal(by: RootKey.random()) }
            #expect(agent.isSealed)
            // A rotation meanwhile: an offer does not unseal.
            try KeyRotation(command) { keyring, root in try agent.expect(keyring: keyring, by: root) }
                .rotate()
            #expect(agent.isSealed)
            try agent.unseal(by: RootKeyFile(directory + "/root.key").read())
            #expect(try agent.texts(algorithm()) == ["A": "1"])
        }
    }

    @Test func `a new root key changes no data key and is followed`() throws {
        try withAgent { agent, command, directory in
            let new = try RootKey.random()
            let path = directory + "/new.key"
            try RootKeyFile(path).create(new)
            try KeyRotation(command, announce: telling(agent)).changeRoot(to: new, .file(path: path))
            try agent.updateSecret(EnvironmentName("A"), of: home(), .value("2"))
            #expect(throws: StoreError.keyring(.wrongRootKey)) { try reopen(directory) }
            let sealed = try SealedStore.open(at: directory)
            #expect(sealed.source == .file(path: path))
            #expect(try sealed.unseal(by: new).texts(algorithm()) == ["A": "2"])
            // A command that is in the middle has the old root key, and changes nothing.
            #expect(throws: StoreError.keysOutdated) { try command.createAlgorithm(algorithm("nlp/Other")) }
        }
    }
}
