import FoundationEssentials
package import Secrets

/// A secret to be made.
package struct NewSecret: Sendable {
    package let name: EnvironmentName
    package let displayName: DisplayName
    package let about: Description
    package let delivery: Delivery
    package let value: SecretValue
    package let validity: Validity
    /// In `Secret.keptVersionsRange`.
    package let kept: Int
    package let callers: CallerRule
    /// Only of a secret of an owner.
    package let grants: [Grantee]
    /// Of an external secret, whose `value` is empty.
    package let origin: SecretOrigin?

    package init(
        name: EnvironmentName, displayName: DisplayName, about: Description, delivery: Delivery,
        value: SecretValue, validity: Validity = .always, kept: Int = Secret.keptVersions,
        callers: CallerRule = .anyone, grants: [Grantee] = [], origin: SecretOrigin? = nil
    ) {
        self.origin = origin
        self.callers = callers
        self.grants = grants
        self.validity = validity
        self.kept = kept
        self.name = name
        self.displayName = displayName
        self.about = about
        self.delivery = delivery
        self.value = value
    }
}

extension NewSecret {
    /// The same, whose value is at a provider.
    package func external(_ origin: SecretOrigin) throws(StoreError) -> NewSecret {
        NewSecret(
            name: name, displayName: displayName, about: about, delivery: delivery,
            value: try SecretStore.noValue, validity: validity, kept: kept, callers: callers, grants: grants,
            origin: origin)
    }
}

/// What an import does with a name that exists.
package enum ExistingSecrets: Sendable {
    case refuse
    /// The new value becomes the next version.
    case update
}

extension SecretStore {
    @discardableResult
    package func createAlgorithm(_ name: AlgorithmName) throws(StoreError) -> Algorithm {
        let algorithm = Algorithm(name: name, id: UUID(), created: .now())
        let key = Keys.algorithm(name)
        let present = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        // Seen before anything is recorded: who meets it mostly only asks whether it is there.
        guard present.records.isEmpty else { throw .algorithmExists(name) }
        try retrying("algorithm \(name)") { () throws(StoreError) in
            var write = try write(to: .algorithm(name), by: .thisProcess)
            let sealed = try seal(metadata: algorithm.encoded(), under: key, &write.random)
            write.conditions.append(.absent(key))
            write.changes.append(.put(key, sealed))
            write.tells(.algorithmCreate)
            do throws(StoreError) {
                try commit(write)
            } catch .storage(.conflict(key)) {
                throw .algorithmExists(name)
            }
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
            var write = try write(to: .algorithm(name), by: .thisProcess)
            write.conditions.append(.unchanged(record.key, since: record.modified))
            write.tells(.algorithmDelete)
            try revocations(of: name, &write)
            write.changes += [
                .delete(record.key), .deletePrefix(Keys.secrets(of: .algorithm(name))),
                .deletePrefix(Keys.values(of: .algorithm(name))),
            ]
            try commit(write)
        }
    }

    /// Changes who may open an algorithm's files, or who may have it mounted.
    ///
    /// - Parameter detail: for the audit log.
    @discardableResult
    package func updateAlgorithm(
        _ name: AlgorithmName, _ detail: String? = nil,
        _ change: (inout Algorithm) throws(StoreError) -> Void
    ) throws(StoreError) -> Algorithm {
        try retrying("algorithm \(name)") { () throws(StoreError) in
            guard let found = try load(.algorithm(name)).algorithm else { throw .algorithmMissing(name) }
            var next = found.value
            try change(&next)
            var write = try write(to: .algorithm(name), by: .thisProcess)
            let sealed = try seal(metadata: next.encoded(), under: found.record.key, &write.random)
            write.conditions.append(.unchanged(found.record.key, since: found.record.modified))
            write.changes.append(.put(found.record.key, sealed))
            let isRule = next.callers != found.value.callers
            write.tells(.algorithmUpdate, nil, version: nil, detail ?? (isRule ? next.callers.detail : nil))
            try commit(write)
            return next
        }
    }

    /// Makes all of `secrets`, or none.
    ///
    /// - Parameter allowed: names on the list of dangerous names that the administrator asked for.
    /// - Returns: what the store keeps of each, in the order given.
    @discardableResult
    package func createSecrets(
        _ secrets: [NewSecret], of home: SecretHome, existing: ExistingSecrets = .refuse,
        allowing allowed: Set<EnvironmentName> = [], by actor: Actor = .thisProcess
    ) throws(StoreError) -> [Secret] {
        try check(secrets, allowing: allowed)
        return try retrying("secrets of \(home)") { () throws(StoreError) in
            try attemptCreate(secrets, of: home, existing: existing, by: actor)
        }
    }

    /// Fails as `createSecrets` would now, and changes nothing.
    package func check(
        _ secrets: [NewSecret], of home: SecretHome, existing: ExistingSecrets,
        allowing allowed: Set<EnvironmentName>
    ) throws(StoreError) {
        try check(secrets, allowing: allowed)
        guard existing == .refuse else { return }
        let present = Set(try self.secrets(of: home).map(\.name))
        let taken = secrets.map(\.name).filter { present.contains($0) }
        guard taken.isEmpty else { throw .secretsExist(taken, home) }
    }

    private func check(_ secrets: [NewSecret], allowing allowed: Set<EnvironmentName>) throws(StoreError) {
        let dangerous = secrets.map(\.name).filter { $0.isDangerous && !allowed.contains($0) }
        guard dangerous.isEmpty else { throw .dangerousNames(dangerous) }
        for secret in secrets { try check(secret.value, secret.name, secret.delivery) }
    }

    private func attemptCreate(
        _ secrets: [NewSecret], of home: SecretHome, existing: ExistingSecrets, by actor: Actor
    ) throws(StoreError) -> [Secret] {
        let only = secrets.count == 1 ? secrets[0].name : nil
        let loaded = try load(home, only: only)
        let byName = Dictionary(loaded.secrets.map { ($0.value.name, $0) }) { first, _ in first }
        if existing == .refuse {
            let taken = secrets.map(\.name).filter { byName[$0] != nil }
            guard taken.isEmpty else { throw .secretsExist(taken, home) }
        }
        var write = try write(to: home, by: actor, count: secrets.count)
        write.conditions += loaded.conditions
        var made: [Secret] = []
        made.reserveCapacity(secrets.count)
        for secret in secrets {
            if let found = byName[secret.name] {
                var next = found.value
                next.delivery = secret.delivery
                let changed = try addVersion(secret.value, to: next, found.record, &write)
                write.tells(.secretUpdate, changed, version: changed.current.version)
                made.append(changed)
            } else {
                let new = try addSecret(secret, to: home, &write)
                write.tells(.secretCreate, new, version: .first)
                for grantee in new.grants { write.tells(.secretGrant, new, "to \(grantee)") }
                made.append(new)
            }
        }
        try commit(write)
        return made
    }

    /// Changes a secret; a new value becomes its next version.
    ///
    /// - Throws: `.versionMoved` if `update.ifVersion` is not the newest version.
    @discardableResult
    package func updateSecret(
        _ secret: EnvironmentName, of home: SecretHome, _ update: SecretUpdate,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        try changing(secret, of: home, by: actor) { next, found, write throws(StoreError) in
            if let id = update.ifSecret, id != next.id { throw .secretMissing(secret, home) }
            if let expected = update.ifVersion, expected != next.current.version {
                throw .versionMoved(secret, home, expected: expected, found: next.current.version)
            }
            update.apply(to: &next)
            guard let value = update.value else {
                if next.delivery == .env, found.value.delivery == .file {
                    let version = found.value.current
                    try check(try value(version, of: found.value, in: home), secret, .env)
                }
                trim(&next, &write)
                return try put(next, replacing: found.record, &write)
            }
            try check(value, secret, next.delivery)
            next = try addVersion(value, to: next, found.record, &write)
        }
    }

    /// Reads a secret, lets `change` change it, and commits that; again if somebody else was first.
    ///
    /// - Parameter change: puts what it changes into the write.
    @discardableResult
    func changing(
        _ secret: EnvironmentName, of home: SecretHome, by actor: Actor,
        _ change: (inout Secret, Found<Secret>, inout Write) throws(StoreError) -> Void
    ) throws(StoreError) -> Secret {
        try retrying("secret \(secret)") { () throws(StoreError) in
            guard let found = try load(home, only: secret).secrets.first else {
                throw .secretMissing(secret, home)
            }
            var next = found.value
            next.modified = .now()
            var write = try write(to: home, by: actor)
            try change(&next, found, &write)
            if write.events.isEmpty {
                // With a version where the value is new.
                let version = next.current.version
                write.tells(
                    .secretUpdate, next, version: version == found.value.current.version ? nil : version,
                    next.details(since: found.value))
            }
            try commit(write)
            return next
        }
    }

    /// Deletes a secret and all its versions, and what was granted of it.
    ///
    /// - Parameter id: only if it is this secret, and not a later one of its name.
    package func deleteSecret(
        _ secret: EnvironmentName, of home: SecretHome, ifSecret id: SecretID? = nil
    ) throws(StoreError) {
        try retrying("secret \(secret)") { () throws(StoreError) in
            guard let found = try load(home, only: secret).secrets.first,
                id ?? found.value.id == found.value.id
            else { throw .secretMissing(secret, home) }
            var write = try write(to: home, by: .thisProcess)
            write.conditions.append(.unchanged(found.record.key, since: found.record.modified))
            write.changes = [
                .delete(found.record.key), .deletePrefix(Keys.values(of: found.value.id, in: home)),
            ]
            if case .owner(let owner) = home {
                write.changes += found.value.grants.map { .delete(Keys.grant(of: secret, of: owner, to: $0)) }
            }
            write.tells(.secretDelete, found.value)
            try commit(write)
        }
    }
}
