import Secrets
import Store
import Testing

@Suite struct `The history of a secret` {
    private func versions(_ secret: Secret) -> [UInt32] { secret.versions.map(\.version.number) }

    @Test func `says who made each version`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home(), by: .user(7))
            let secret = try store.updateSecret(name, of: home(), .value("2"), by: .user(1000))
            #expect(secret.versions.map(\.actor) == [.user(7), .user(1000)])
        }
    }

    @Test func `a rollback is a new version with the old bytes, and loses none`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "first")], of: home())
            try store.updateSecret(name, of: home(), .value("second"))
            let secret = try store.rollBack(name, of: home(), to: .first, by: .user(5))
            #expect(versions(secret) == [1, 2, 3] && secret.current.actor == .user(5))
            #expect(try store.texts(algorithm()) == ["A": "first"])
            let missing = StoreError.versionMissing(name, try home(), Version(number: 9))
            #expect(throws: missing) { try store.rollBack(name, of: home(), to: Version(number: 9)) }
        }
    }

    @Test func `a destroyed version is gone from storage; the newest cannot be destroyed`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home())
            try store.updateSecret(name, of: home(), .value("2"))
            let stored = { try store.storage.count(of: RecordKey("value/")) }
            #expect(try stored() == 2)
            #expect(try versions(store.destroy(.first, of: name, in: home())) == [2])
            #expect(try stored() == 1)
            let newest = Version(number: 2)
            #expect(throws: StoreError.versionInUse(name, try home(), newest)) {
                try store.destroy(newest, of: name, in: home())
            }
            #expect(throws: StoreError.versionMissing(name, try home(), .first)) {
                try store.rollBack(name, of: home(), to: .first)
            }
        }
    }

    @Test func `fewer kept versions take effect at once, and the numbers go on`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home())
            for number in 2...6 { try store.updateSecret(name, of: home(), .value("\(number)")) }
            var update = SecretUpdate()
            update.kept = 2
            #expect(try versions(store.updateSecret(name, of: home(), update)) == [5, 6])
            #expect(try versions(store.updateSecret(name, of: home(), .value("7"))) == [6, 7])
            #expect(try store.storage.count(of: RecordKey("value/")) == 2)
        }
    }

    @Test func `an update under a version that is not the newest changes nothing`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home())
            var update = try SecretUpdate.value("2")
            update.ifVersion = .first
            try store.updateSecret(name, of: home(), update)
            let moved = StoreError.versionMoved(
                name, try home(), expected: .first, found: Version(number: 2))
            #expect(throws: moved) { try store.updateSecret(name, of: home(), update) }
            #expect(try store.secret(name, of: home()).versions.count == 2)
        }
    }
}
