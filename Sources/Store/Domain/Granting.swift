package import Secrets

extension SecretStore {
    /// Lets algorithms see a secret of `owner`. Granting again changes nothing.
    ///
    /// - Throws: `.grantTooWide` for all algorithms of another owner, `.algorithmMissing` for one that is not there.
    @discardableResult
    package func grant(
        _ secret: EnvironmentName, of owner: OwnerName, to grantees: [Grantee], by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        for grantee in grantees { try check(grantee, of: owner) }
        return try changing(secret, of: .owner(owner), by: actor) { next, found, write throws(StoreError) in
            try add(grantees, to: &next, of: owner, &write)
            for grantee in grantees { write.tells(.secretGrant, next, "to \(grantee)") }
            try put(next, replacing: found.record, &write)
        }
    }

    /// Grants a secret to these and nobody else, in one change.
    ///
    /// - Parameter id: only if it is this secret, and not a later one of its name.
    /// - Throws: as `grant`.
    @discardableResult
    package func replaceGrants(
        of secret: EnvironmentName, of owner: OwnerName, by grantees: [Grantee],
        ifSecret id: SecretID? = nil, by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        for grantee in grantees { try check(grantee, of: owner) }
        return try changing(secret, of: .owner(owner), by: actor) { next, found, write throws(StoreError) in
            if let id, id != next.id { throw .secretMissing(secret, .owner(owner)) }
            for grantee in next.grants where !grantees.contains(grantee) {
                write.changes.append(.delete(Keys.grant(of: secret, of: owner, to: grantee)))
                write.tells(.secretRevoke, next, "from \(grantee)")
            }
            for grantee in grantees where !next.grants.contains(grantee) {
                write.tells(.secretGrant, next, "to \(grantee)")
            }
            next.grants.removeAll { !grantees.contains($0) }
            try add(grantees, to: &next, of: owner, &write)
            try put(next, replacing: found.record, &write)
        }
    }

    /// Takes back what was granted; what was not granted changes nothing.
    @discardableResult
    package func revoke(
        _ secret: EnvironmentName, of owner: OwnerName, from grantees: [Grantee],
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        try changing(secret, of: .owner(owner), by: actor) { next, found, write throws(StoreError) in
            for grantee in grantees {
                write.changes.append(.delete(Keys.grant(of: secret, of: owner, to: grantee)))
            }
            next.grants.removeAll { grantees.contains($0) }
            for grantee in grantees { write.tells(.secretRevoke, next, "from \(grantee)") }
            try put(next, replacing: found.record, &write)
        }
    }

    /// What an algorithm that is about to be deleted was granted by name: a later one of that name must ask anew.
    func revocations(of name: AlgorithmName, _ write: inout Write) throws(StoreError) {
        let grantee = Grantee.algorithm(name)
        let index = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.grants(to: grantee))], at: nil)
        }
        for record in index.records {
            guard let shared = Keys.granted(record.key, to: grantee) else {
                throw .damaged(record: record.key.text)
            }
            write.changes.append(.delete(record.key))
            let home = SecretHome.owner(shared.owner)
            guard let found = try load(home, only: shared.name).secrets.first else { continue }
            var next = found.value
            next.grants.removeAll { $0 == grantee }
            try put(next, replacing: found.record, &write)
        }
    }

    /// Grants a secret that is about to be made.
    func grant(
        _ grantees: [Grantee], of secret: inout Secret, _ owner: OwnerName, _ write: inout Write
    ) throws(StoreError) {
        for grantee in grantees { try check(grantee, of: owner) }
        try add(grantees, to: &secret, of: owner, &write)
    }

    private func add(
        _ grantees: [Grantee], to secret: inout Secret, of owner: OwnerName, _ write: inout Write
    ) throws(StoreError) {
        for grantee in grantees where !secret.grants.contains(grantee) {
            if case .algorithm(let name) = grantee { try requireAlgorithm(name, &write) }
            secret.grants.append(grantee)
            let key = Keys.grant(of: secret.name, of: owner, to: grantee)
            let sealed = try seal(metadata: Self.grantRecord(secret.id), under: key, &write.random)
            write.changes.append(.put(key, sealed))
        }
        secret.grants.sort()
        guard secret.grants.count <= Secret.maximumGrants else { throw .tooManyGrants(secret.name, owner) }
    }

    private func check(_ grantee: Grantee, of owner: OwnerName) throws(StoreError) {
        guard case .all(let other) = grantee, other != owner else { return }
        throw .grantTooWide(grantee, owner)
    }

    private func requireAlgorithm(_ name: AlgorithmName, _ write: inout Write) throws(StoreError) {
        let key = Keys.algorithm(name)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .algorithmMissing(name) }
        write.conditions.append(.unchanged(key, since: record.modified))
    }

    private static func grantRecord(_ secret: SecretID) -> [UInt8] {
        var writer = RecordWriter(kind: .grant)
        writer.write(secret)
        return writer.bytes
    }
}
