package import Secrets

extension SecretStore {
    /// Makes the bytes of an older version the newest version. Nobody sees them on the way.
    ///
    /// - Parameter id: only if it is this secret, and not a later one of its name.
    /// - Throws: `.versionMissing`.
    @discardableResult
    package func rollBack(
        _ secret: EnvironmentName, of home: SecretHome, to version: Version, ifSecret id: SecretID? = nil,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        try changing(secret, of: home, by: actor) { next, found, write throws(StoreError) in
            if let id, id != next.id { throw .secretMissing(secret, home) }
            guard let old = next.versions.first(where: { $0.version == version }) else {
                throw .versionMissing(secret, home, version)
            }
            let value = try value(old, of: next, in: home)
            // The delivery may have changed since.
            try check(value, secret, next.delivery)
            next = try addVersion(value, to: next, found.record, &write)
            write.tells(.secretRollBack, next, version: next.current.version, "to version \(version)")
        }
    }

    /// Deletes the bytes of an older version for good.
    ///
    /// - Throws: `.versionMissing`; `.versionInUse` for the newest one.
    @discardableResult
    package func destroy(
        _ version: Version, of secret: EnvironmentName, in home: SecretHome, by actor: Actor = .thisProcess
    ) throws(StoreError) -> Secret {
        try changing(secret, of: home, by: actor) { next, found, write throws(StoreError) in
            guard let index = next.versions.firstIndex(where: { $0.version == version }) else {
                throw .versionMissing(secret, home, version)
            }
            guard version != next.current.version else { throw .versionInUse(secret, home, version) }
            next.versions.remove(at: index)
            write.changes.append(.delete(write.key(of: version, of: next.id)))
            write.tells(.secretDestroy, next, version: version)
            try put(next, replacing: found.record, &write)
        }
    }
}
