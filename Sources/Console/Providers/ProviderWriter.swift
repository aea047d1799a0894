package import Secrets
package import Store

/// Secrets whose values are written to a provider from here, and changed and deleted there from here.
///
/// The provider is first: what it refuses changes nothing here. Each write is recorded before it is made (R4).
package struct ProviderWriter {
    private let store: SecretStore

    package init(_ store: SecretStore) { self.store = store }

    /// Writes a new secret's value to `provider`, and makes the secret that refers to it.
    package func create(
        _ new: NewSecret, of home: SecretHome, at provider: ProviderName,
        allowing allowed: Set<EnvironmentName> = [], by actor: Actor = .thisProcess
    ) throws -> Secret {
        let turn = try turn(new.name, home)
        defer { withExtendedLifetime(turn) {} }
        try store.check([new], of: home, existing: .refuse, allowing: allowed)
        let desk = try ProviderDesk(provider, of: store)
        try record(new.name, home, "create at \(provider)", actor)
        let reference = try desk.write(new.value, to: .new(new.name, home))
        let origin = SecretOrigin(provider: provider, reference: reference, isWritten: true)
        do {
            return try store.createSecrets(
                [try new.external(origin)], of: home, allowing: allowed, by: actor)[0]
        } catch {
            // Nothing half-done, as far as the provider lets us.
            try? desk.delete(reference)
            throw error
        }
    }

    /// Replaces the value of `secret`, which was written from here.
    ///
    /// - Parameter update: with a value.
    package func update(
        _ secret: Secret, of home: SecretHome, _ update: SecretUpdate, by actor: Actor = .thisProcess
    ) throws -> Secret {
        guard secret.origin?.isWritten ?? false, let value = update.value else {
            return try store.updateSecret(secret.name, of: home, update, by: actor)
        }
        let turn = try turn(secret.name, home)
        defer { withExtendedLifetime(turn) {} }
        let secret = try present(secret, home)
        guard let origin = secret.origin, origin.isWritten else {
            return try store.updateSecret(secret.name, of: home, update, by: actor)
        }
        // The provider does not know of our versions: as far as can be told before it is asked.
        if let id = update.ifSecret, id != secret.id { throw StoreError.secretMissing(secret.name, home) }
        if let expected = update.ifVersion, expected != secret.current.version {
            throw StoreError.versionMoved(
                secret.name, home, expected: expected, found: secret.current.version)
        }
        try store.check(value, secret.name, update.delivery ?? secret.delivery)
        let desk = try ProviderDesk(origin.provider, of: store)
        try record(secret.name, home, "update at \(origin.description)", actor)
        _ = try desk.write(value, to: .present(origin.reference))
        return try store.noteWritten(secret.name, of: home, update, by: actor)
    }

    /// Deletes what was written from here, there and here; of others, what refers to it.
    package func delete(
        _ secret: Secret, of home: SecretHome, by actor: Actor = .thisProcess
    ) throws {
        let turn = secret.origin?.isWritten ?? false ? try turn(secret.name, home) : nil
        defer { withExtendedLifetime(turn) {} }
        let secret = turn == nil ? secret : try present(secret, home)
        if let origin = secret.origin, origin.isWritten {
            let desk = try ProviderDesk(origin.provider, of: store)
            try record(secret.name, home, "delete at \(origin.description)", actor)
            try desk.delete(origin.reference)
        }
        try store.deleteSecret(secret.name, of: home, ifSecret: secret.id)
    }

    /// Deletes an algorithm, and before that what was written for it to providers.
    ///
    /// - Throws: what a provider says; then what was deleted until there is gone, and the rest is as it was.
    package func delete(_ algorithm: AlgorithmName, by actor: Actor = .thisProcess) throws {
        for secret in try store.algorithm(algorithm).1 where secret.origin?.isWritten ?? false {
            try delete(secret, of: .algorithm(algorithm), by: actor)
        }
        try store.deleteAlgorithm(algorithm)
    }

    private func turn(_ name: EnvironmentName, _ home: SecretHome) throws(Failure) -> WriteTurn {
        try WriteTurn(name, of: home, in: store.folder)
    }

    /// What is to be changed or deleted, as it is now that it is our turn.
    ///
    /// - Throws: `.secretMissing` if it is another one.
    private func present(_ secret: Secret, _ home: SecretHome) throws(StoreError) -> Secret {
        let present = try store.secret(secret.name, of: home)
        guard present.id == secret.id else { throw .secretMissing(secret.name, home) }
        return present
    }

    private func record(
        _ name: EnvironmentName, _ home: SecretHome, _ detail: String, _ actor: Actor
    ) throws(AuditError) {
        try store.trail.record([
            AuditEvent(
                .providerWrite, by: AuditActor(changingAs: actor), home: home, secret: name, detail: detail)
        ])
    }
}
