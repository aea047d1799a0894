package import Secrets

/// Who may have something mounted besides root and the agent's own user.
extension SecretStore {
    /// Those of `name`, without reading anything of its secrets.
    ///
    /// - Throws: `.algorithmMissing`.
    package func mounters(of name: AlgorithmName) throws(StoreError) -> UserList {
        let key = Keys.algorithm(name)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .algorithmMissing(name) }
        return try foundAlgorithm(name, record).value.mounters
    }

    /// - Returns: all of them after the change.
    /// - Throws: `.algorithmMissing`, `.tooManyUsers`.
    @discardableResult
    package func changeMounters(
        of name: AlgorithmName, adding added: [UInt32], removing removed: [UInt32]
    ) throws(StoreError) -> UserList {
        let detail = "mounters" + Self.text(added, removed)
        return try updateAlgorithm(name, detail) { algorithm throws(StoreError) in
            algorithm.mounters.change(adding: added, removing: removed)
            guard algorithm.mounters.uids.count <= UserList.maximumCount else { throw .tooManyUsers }
        }.mounters
    }

    /// Who may have the store mounted for administration.
    package func administrators() throws(StoreError) -> UserList { try storedAdministrators().users }

    /// - Returns: all of them after the change.
    /// - Throws: `.tooManyUsers`.
    @discardableResult
    package func changeAdministrators(
        adding added: [UInt32], removing removed: [UInt32]
    ) throws(StoreError) -> UserList {
        let detail = "administrators" + Self.text(added, removed)
        let event = AuditEvent(.adminUpdate, by: AuditActor(changingAs: .thisProcess), detail: detail)
        return try retrying("the administrators") { () throws(StoreError) in
            var (users, condition) = try storedAdministrators()
            users.change(adding: added, removing: removed)
            guard users.uids.count <= UserList.maximumCount else { throw .tooManyUsers }
            var writer = RecordWriter(kind: .administrators)
            writer.write(users)
            var random = RandomBlock()
            let sealed = try seal(metadata: writer.bytes, under: Keys.administrators, &random)
            try commit(if: [condition], then: [.put(Keys.administrators, sealed)], recording: [event])
            return users
        }
    }

    private func storedAdministrators() throws(StoreError) -> (
        users: UserList, condition: Transaction.Condition
    ) {
        let key = Keys.administrators
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { return (UserList(), .absent(key)) }
        let users = try decode(record) { bytes throws(RecordFormatError) in
            var reader = try RecordReader(bytes, kind: .administrators)
            let users = try reader.users()
            try reader.finish()
            return users
        }
        return (users, .unchanged(key, since: record.modified))
    }

    /// For the audit log: ` +1000 -1001`.
    private static func text(_ added: [UInt32], _ removed: [UInt32]) -> String {
        (added.map { " +\($0)" } + removed.map { " -\($0)" }).joined()
    }
}
