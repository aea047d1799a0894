package import Secrets

/// Secrets whose values are at a provider.
extension SecretStore {
    /// Lets an external secret refer to something else from now on.
    ///
    /// - Throws: `.internalValue` if its value is in this store; `.providerMissing`.
    @discardableResult
    package func refer(
        _ secret: EnvironmentName, of home: SecretHome, to origin: SecretOrigin,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        try changing(secret, of: home, by: actor) { next, found, write throws(StoreError) in
            guard let old = next.origin else { throw .internalValue(secret, home) }
            guard old != origin else { return try put(next, replacing: found.record, &write) }
            try use(origin.provider, &write)
            next.origin = origin
            next = try add(try Self.noValue, to: next, found.record, &write)
            write.tells(
                .secretUpdate, next, version: next.current.version, "from \(origin.description)")
        }
    }

    /// Notes that the value of an external secret was written to its provider: a version of its own, which makes an agent
    /// ask at once.
    @discardableResult
    package func noteWritten(
        _ secret: EnvironmentName, of home: SecretHome, _ update: SecretUpdate,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        try changing(secret, of: home, by: actor) { next, found, write throws(StoreError) in
            if let id = update.ifSecret, id != next.id { throw .secretMissing(secret, home) }
            guard next.origin != nil else { throw .internalValue(secret, home) }
            update.apply(to: &next)
            next = try add(try Self.noValue, to: next, found.record, &write)
        }
    }

    /// What an external secret has in its value's place.
    package static var noValue: SecretValue {
        get throws(StoreError) {
            do { return try SecretValue(copying: RawSpan()) } catch let error as SecretMemoryError {
                throw .memory(error)
            } catch {
                throw .memory(.exhausted)
            }
        }
    }

    /// That `provider` is there when `write` is committed; and whoever deletes it meanwhile has to look for uses again.
    ///
    /// - Throws: `.providerMissing`.
    func use(_ provider: ProviderName, _ write: inout Write) throws(StoreError) {
        let found = try findProvider(provider)
        let key = found.record.key
        let isUsed = write.changes.contains { change in
            if case .put(key, _) = change { true } else { false }
        }
        guard !isUsed else { return }
        write.conditions.append(.unchanged(key, since: found.record.modified))
        write.changes.append(
            .put(key, try seal(metadata: found.value.encoded(), under: key, &write.random)))
    }

    /// The first of the secrets that refer to `provider`, and where they belong.
    func uses(of provider: ProviderName) throws(StoreError) -> [ProviderUse] {
        var uses: [ProviderUse] = []
        var last: Page.End?
        while uses.count < ProviderUse.shown {
            let after = last
            let page = try storing { () throws(StorageError) in
                try storage.page(after: after, PageLimit(records: 1000, bytes: 4 << 20))
            }
            guard let end = page.end else { break }
            last = end
            for record in page.records {
                guard let home = Keys.homeOfSecret(record.key) else { continue }
                let secret = try foundSecret(record, of: home).value
                if secret.origin?.provider == provider {
                    uses.append(ProviderUse(secret: secret.name, home: home))
                }
            }
        }
        return Array(uses.prefix(ProviderUse.shown))
    }
}

/// A secret that refers to a provider.
package struct ProviderUse: Equatable, Sendable {
    static let shown = 5
    package let secret: EnvironmentName
    package let home: SecretHome
}
