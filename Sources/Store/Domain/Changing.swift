import FoundationEssentials
package import Secrets

/// A secret to be made.
package struct NewSecret: Sendable {
    package let name: EnvironmentName
    package let displayName: DisplayName
    package let about: Description
    package let delivery: Delivery
    package let value: SecretValue

    package init(
        name: EnvironmentName, displayName: DisplayName, about: Description, delivery: Delivery,
        value: SecretValue
    ) {
        self.name = name
        self.displayName = displayName
        self.about = about
        self.delivery = delivery
        self.value = value
    }
}

/// What an import does with a name that exists.
package enum ExistingSecrets: Sendable {
    case refuse
    /// The new value becomes the next version.
    case update
}

/// What to change of a secret; nil leaves it as it is.
package struct SecretUpdate: Sendable {
    package var value: SecretValue?
    package var displayName: DisplayName?
    package var about: Description?
    package var delivery: Delivery?

    package init(
        value: SecretValue? = nil, displayName: DisplayName? = nil, about: Description? = nil,
        delivery: Delivery? = nil
    ) {
        self.value = value
        self.displayName = displayName
        self.about = about
        self.delivery = delivery
    }
}

extension SecretStore {
    @discardableResult
    package func createAlgorithm(_ name: AlgorithmName) throws(StoreError) -> Algorithm {
        let algorithm = Algorithm(name: name, id: UUID(), created: .now())
        let key = Keys.algorithm(name)
        var random = RandomBlock()
        let sealed = try seal(metadata: algorithm.encoded(), under: key, &random)
        do {
            try storage.commit(Transaction(if: [.absent(key)], then: [.put(key, sealed)]))
        } catch .conflict {
            throw .algorithmExists(name)
        } catch {
            throw .storage(error)
        }
        return algorithm
    }

    /// Deletes the algorithm, its secrets and all their versions.
    package func deleteAlgorithm(_ name: AlgorithmName) throws(StoreError) {
        try retrying("algorithm \(name)") { () throws(StoreError) in
            let snapshot = try storing { () throws(StorageError) in
                try storage.read([.key(Keys.algorithm(name))], at: nil)
            }
            guard let record = snapshot.records.first else { throw .algorithmMissing(name) }
            try commit(
                if: [.unchanged(record.key, since: record.modified)],
                then: [
                    .delete(record.key), .deletePrefix(Keys.secrets(of: name)),
                    .deletePrefix(Keys.values(of: name)),
                ])
        }
    }

    /// Makes all of `secrets`, or none.
    ///
    /// - Parameter allowed: names on the list of dangerous names that the administrator asked for.
    /// - Returns: what the store keeps of each, in the order given.
    @discardableResult
    package func createSecrets(
        _ secrets: [NewSecret], of name: AlgorithmName, existing: ExistingSecrets = .refuse,
        allowing allowed: Set<EnvironmentName> = []
    ) throws(StoreError) -> [Secret] {
        let dangerous = secrets.map(\.name).filter { $0.isDangerous && !allowed.contains($0) }
        guard dangerous.isEmpty else { throw .dangerousNames(dangerous) }
        for secret in secrets { try check(secret.value, secret.name, secret.delivery) }
        return try retrying("secrets of \(name)") { () throws(StoreError) in
            try attemptCreate(secrets, of: name, existing: existing)
        }
    }

    private func attemptCreate(
        _ secrets: [NewSecret], of name: AlgorithmName, existing: ExistingSecrets
    ) throws(StoreError) -> [Secret] {
        let only = secrets.count == 1 ? secrets[0].name : nil
        let (algorithm, present, _) = try load(name, only: only)
        let byName = Dictionary(present.map { ($0.value.name, $0) }) { first, _ in first }
        if existing == .refuse {
            let taken = secrets.map(\.name).filter { byName[$0] != nil }
            guard taken.isEmpty else { throw .secretsExist(taken, name) }
        }
        var write = try write(to: name, count: secrets.count)
        write.conditions.append(.unchanged(algorithm.record.key, since: algorithm.record.modified))
        var made: [Secret] = []
        made.reserveCapacity(secrets.count)
        for secret in secrets {
            if let found = byName[secret.name] {
                var next = found.value
                next.delivery = secret.delivery
                made.append(try addVersion(secret.value, to: next, found.record, &write))
            } else {
                made.append(try addSecret(secret, &write))
            }
        }
        try commit(write)
        return made
    }

    /// Changes a secret; a new value becomes its next version.
    @discardableResult
    package func updateSecret(
        _ secret: EnvironmentName, of name: AlgorithmName, _ update: SecretUpdate
    ) throws(StoreError) -> Secret {
        try retrying("secret \(secret)") { () throws(StoreError) in
            let (_, found, _) = try load(name, only: secret)
            guard let found = found.first else { throw .secretMissing(secret, name) }
            var next = found.value
            next.displayName = update.displayName ?? next.displayName
            next.about = update.about ?? next.about
            next.delivery = update.delivery ?? next.delivery
            next.modified = .now()
            var write = try write(to: name)
            if let value = update.value {
                try check(value, secret, next.delivery)
                next = try addVersion(value, to: next, found.record, &write)
            } else {
                if next.delivery == .env, found.value.delivery == .file {
                    try check(try value(of: found.value, in: name), secret, .env)
                }
                try put(next, replacing: found.record, &write)
            }
            try commit(write)
            return next
        }
    }

    /// Deletes a secret and all its versions.
    package func deleteSecret(_ secret: EnvironmentName, of name: AlgorithmName) throws(StoreError) {
        try retrying("secret \(secret)") { () throws(StoreError) in
            let (_, found, _) = try load(name, only: secret)
            guard let found = found.first else { throw .secretMissing(secret, name) }
            try commit(
                if: [.unchanged(found.record.key, since: found.record.modified)],
                then: [.delete(found.record.key), .deletePrefix(Keys.values(of: found.value.id, in: name))])
        }
    }
}
