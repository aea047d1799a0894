import Secrets
import Testing

@testable import Store

@Suite struct `External providers in the store` {
    private let vault: ProviderName
    private let origin: SecretOrigin
    private let key: EnvironmentName

    init() throws {
        vault = try ProviderName("vault-prod")
        origin = SecretOrigin(
            provider: vault, reference: try ProviderReference("secret/data/db#password"),
            version: ProviderVersion("3"), interval: 30)
        key = try EnvironmentName("DB_PASSWORD")
    }

    private func withAlgorithm(_ body: (SecretStore, String) throws -> Void) throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            try body(store, directory)
        }
    }

    private func settings(_ texts: [String: String]) throws -> ProviderUpdate {
        var update = ProviderUpdate()
        for (name, text) in texts {
            update.set[name] = try SecretValue(copying: Array(text.utf8).span.bytes)
        }
        return update
    }

    private func external(_ origin: SecretOrigin) throws -> NewSecret {
        NewSecret(
            name: key, displayName: try DisplayName("db"), about: .empty, delivery: .env,
            value: try SecretStore.noValue, origin: origin)
    }

    private func entry(_ store: SecretStore) throws -> Entry {
        try #require(try store.view(of: algorithm()).entries.first { $0.name == key })
    }

    @Test func `a provider and its settings are there after reopening`() throws {
        try withAlgorithm { store, directory in
            try store.createProvider(
                vault, .vault, settings(["vault_addr": "https://v:1", "vault_token": "planted"]))
            let again = try reopen(directory)
            #expect(try again.providers().map(\.name) == [vault])
            let (found, configuration) = try again.configuration(of: vault)
            #expect(found.settings == ["vault_addr", "vault_token"] && found.interval == 60)
            #expect(configuration.text("vault_token") == "planted")
        }
    }

    @Test func `a change sets and takes away settings, and the audit log has their names alone`() throws {
        try withAlgorithm { store, _ in
            try store.createProvider(vault, .vault, settings(["vault_token": "planted-1"]))
            #expect(throws: StoreError.providerExists(vault)) {
                try store.createProvider(vault, .vault, ProviderUpdate())
            }
            var update = try settings(["secret_id": "planted-2"])
            update.unset = ["vault_token", "role"]
            update.maximumAge = 120
            try store.updateProvider(vault, update)
            let (found, configuration) = try store.configuration(of: vault)
            #expect(found.settings == ["secret_id"] && found.maximumAge == 120)
            #expect(configuration["vault_token"] == nil && configuration.text("secret_id") == "planted-2")
        }
    }

    @Test func `credentials go to another address only with who gives them, or who could read them`() throws {
        try withAlgorithm { store, _ in
            let there = ["vault_addr": "https://a", "vault_token": "planted", "secret_id": "planted"]
            try store.createProvider(vault, .vault, settings(there))
            func moved(_ credentials: [String]) -> StoreError {
                .providerMoved(
                    ProviderMove(provider: vault, setting: "vault_addr", credentials: credentials))
            }
            #expect(throws: moved(["vault_token", "secret_id"])) {
                try store.updateProvider(vault, settings(["vault_addr": "https://b"]))
            }
            #expect(throws: moved(["secret_id"])) {
                try store.updateProvider(vault, settings(["vault_addr": "https://b", "vault_token": "new"]))
            }
            var without = try settings(["vault_addr": "https://b", "vault_token": "new"])
            without.unset = ["secret_id"]
            try store.updateProvider(vault, without)
            // The same is no other one; and who could read them anyway may say anything.
            try store.updateProvider(vault, settings(["vault_addr": "https://b", "role": "r"]))
            try store.updateProvider(vault, settings(["vault_addr": "https://c"]), takesAlong: true)
            var untrusted = ProviderUpdate()
            untrusted.unset = ["vault_addr"]
            #expect(throws: moved(["vault_token"])) { try store.updateProvider(vault, untrusted) }
            try store.updateProvider(
                vault, settings(["login": "kubernetes", "vault_token": "new"]), takesAlong: true)
            #expect(throws: moved([])) {
                try store.updateProvider(vault, settings(["vault_addr": "https://d", "vault_token": "x"]))
            }
            // As whom the machine appears there is as much as where.
            for setting in ["role", "auth_mount", "vault_namespace"] {
                #expect(
                    throws: StoreError.providerMoved(
                        ProviderMove(provider: vault, setting: setting, credentials: []))
                ) {
                    try store.updateProvider(vault, settings([setting: "other"]))
                }
            }
            try store.updateProvider(vault, settings(["role": "r", "vault_secret_path": "kv"]))
        }
    }

    @Test func `an external secret refers to a provider that there is, and opens nothing by itself`() throws {
        try withAlgorithm { store, directory in
            #expect(throws: StoreError.providerMissing(vault)) {
                try store.createSecrets([external(origin)], of: .algorithm(algorithm()))
            }
            try store.createProvider(vault, .vault, ProviderUpdate())
            try store.createSecrets([external(origin)], of: .algorithm(algorithm()))
            let secret = try reopen(directory).secret(key, of: .algorithm(algorithm()))
            #expect(secret.origin == origin && secret.provider == vault)
            let entry = try entry(store)
            #expect(entry.origin == origin)
            #expect(throws: OpenError.awaited) {
                _ = try SecretValue(capacity: 0) { try entry.sealed.open(into: &$0) }
            }
            #expect(try entry.sealed.details().provider == vault)
        }
    }

    @Test func `no value can be put in the place of a provider's, in any way`() throws {
        try withAlgorithm { store, _ in
            try store.createProvider(vault, .vault, ProviderUpdate())
            let home = SecretHome.algorithm(try algorithm())
            try store.createSecrets([external(origin)], of: home)
            let value = try SecretValue(copying: Array("x".utf8).span.bytes)
            let refused = StoreError.externalValue(key, origin)
            #expect(throws: refused) { try store.updateSecret(key, of: home, SecretUpdate(value: value)) }
            #expect(throws: refused) { try store.rollBack(key, of: home, to: .first) }
            let plain = NewSecret(
                name: key, displayName: try DisplayName("db"), about: .empty, delivery: .env, value: value)
            #expect(throws: refused) { try store.createSecrets([plain], of: home, existing: .update) }
            try store.updateSecret(key, of: home, SecretUpdate(about: try Description("told")))
            #expect(try store.secret(key, of: home).about.text == "told")
        }
    }

    @Test func `another reference is another version, and a value of the store's own gets none`() throws {
        try withAlgorithm { store, _ in
            try store.createProvider(vault, .vault, ProviderUpdate())
            let home = SecretHome.algorithm(try algorithm())
            try store.createSecrets([external(origin)], of: home)
            let other = SecretOrigin(provider: vault, reference: try ProviderReference("secret/data/new#a"))
            let changed = try store.refer(key, of: home, to: other)
            #expect(changed.origin == other && changed.current.version.number == 2)
            #expect(try entry(store).origin == other)
            let own = try EnvironmentName("OWN")
            try store.createSecrets(
                [
                    NewSecret(
                        name: own, displayName: try DisplayName("own"), about: .empty, delivery: .env,
                        value: try SecretValue(copying: Array("x".utf8).span.bytes))
                ], of: home)
            #expect(throws: StoreError.internalValue(own, home)) { try store.refer(own, of: home, to: other) }
        }
    }

    @Test func `a provider that secrets refer to is not deleted, and the secrets are named`() throws {
        try withAlgorithm { store, _ in
            try store.createProvider(vault, .vault, settings(["vault_token": "planted"]))
            try store.setDefaultProvider(vault)
            let home = SecretHome.algorithm(try algorithm())
            try store.createSecrets([external(origin)], of: home)
            #expect(throws: StoreError.providerInUse(vault, [ProviderUse(secret: key, home: home)])) {
                try store.deleteProvider(vault)
            }
            try store.deleteSecret(key, of: home)
            try store.deleteProvider(vault)
            #expect(try store.providers().isEmpty)
            #expect(try store.defaultProvider() == .internal)
            #expect(try store.storage.read([.prefix(Keys.providerSettings)], at: nil).records.isEmpty)
        }
    }

    @Test func `a setting that was put back, or is another provider's, does not open as one of this`() throws
    {
        try withAlgorithm { store, _ in
            let id = try store.createProvider(vault, .vault, settings(["vault_token": "old"])).id
            let key = Keys.setting("vault_token", of: id)
            let record = try #require(try store.storage.read([.key(key)], at: nil).records.first)
            try store.deleteProvider(vault)
            let next = try store.createProvider(vault, .vault, settings(["vault_token": "new"])).id
            let place = Keys.setting("vault_token", of: next)
            _ = try store.storage.commit(Transaction(if: [], then: [.put(place, record.bytes)]))
            #expect(throws: StoreError.damaged(record: place.text)) { try store.configuration(of: vault) }
        }
    }

    @Test func `the default is the store itself until another is chosen that there is`() throws {
        try withAlgorithm { store, directory in
            #expect(try store.defaultProvider() == .internal)
            #expect(throws: StoreError.providerMissing(vault)) { try store.setDefaultProvider(vault) }
            try store.createProvider(vault, .vault, ProviderUpdate())
            try store.setDefaultProvider(vault)
            #expect(try reopen(directory).defaultProvider() == vault)
            try store.setDefaultProvider(.internal)
            #expect(try store.defaultProvider() == .internal)
        }
    }

    @Test func `keys are rotated with settings and external secrets`() throws {
        try withAlgorithm { store, directory in
            try store.createProvider(vault, .vault, settings(["vault_token": "planted"]))
            try store.createSecrets([external(origin)], of: .algorithm(algorithm()))
            try KeyRotation(reopenKeeping(directory)).rotate()
            let again = try reopen(directory)
            #expect(try again.configuration(of: vault).1.text("vault_token") == "planted")
            #expect(try again.secret(key, of: .algorithm(algorithm())).origin == origin)
        }
    }
}
