package import Secrets

/// The API keys of users.
extension SecretStore {
    /// By user, and the oldest first.
    ///
    /// - Parameter name: nil for the keys of all.
    /// - Throws: `.userMissing`.
    package func apiKeys(of name: UserName? = nil) throws(StoreError) -> [APIKey] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.apiKeys)] + (name.map { [.key(Keys.user($0))] } ?? []), at: nil)
        }
        var records = snapshot.records[...]
        if let name {
            guard records.last?.key == Keys.user(name) else { throw .userMissing(name) }
            records.removeLast()
        }
        var keys: [APIKey] = []
        for record in records {
            guard let id = Keys.apiKeyID(record.key) else { throw .damaged(record: record.key.text) }
            let key = try foundKey(id, record).value
            if name == nil || name == key.user { keys.append(key) }
        }
        return keys.sorted { ($0.user, $0.created, $0.id) < ($1.user, $1.created, $1.id) }
    }

    /// - Throws: `.apiKeyMissing`.
    package func apiKey(_ id: APIKeyID) throws(StoreError) -> APIKey {
        guard let found = try findKey(id) else { throw .apiKeyMissing(id) }
        return found.value
    }

    /// Makes a key for `name`.
    ///
    /// - Returns: what is kept of it, and its text, which nobody can have a second time.
    /// - Throws: `.userMissing`, `.tooManyKeys`.
    package func createAPIKey(
        for name: UserName, label: KeyLabel = .none, expires: Timestamp? = nil, isReadOnly: Bool = false,
        by actor: Actor = .thisProcess
    ) throws(StoreError) -> (key: APIKey, text: SecretValue) {
        try retrying("the API keys of \(name)") { () throws(StoreError) in
            let (record, present) = try userAndKeys(name)
            let user = try foundUser(name, record).value
            guard present.count < User.maximumKeys else { throw .tooManyKeys(name) }
            let (id, text, hash): (APIKeyID, SecretValue, [UInt8])
            do throws(SealError) {
                id = try APIKeyText.newID()
                text = try APIKeyText.new(id)
                hash = try text.withBytes { bytes throws(SealError) in try sha256(bytes) }
            } catch {
                throw .sealing(error)
            }
            let key = APIKey(
                id: id, user: name, userID: user.id, label: label, created: .now(), expires: expires,
                isReadOnly: isReadOnly, hash: hash)
            var random = RandomBlock()
            let place = Keys.apiKey(id)
            let sealed = try seal(metadata: key.encoded(), under: place, &random)
            // The user's record is put as it was, so that of this and a deletion of the user one sees the other.
            try commit(
                if: [.unchanged(record.key, since: record.modified), .absent(place)],
                then: [try self.sealed(user), .put(place, sealed)],
                recording: [event(.apiKeyCreate, id, key, by: actor)])
            return (key, text)
        }
    }

    /// Also one whose record does not open any more.
    ///
    /// - Throws: `.apiKeyMissing`.
    package func revokeAPIKey(_ id: APIKeyID, by actor: Actor = .thisProcess) throws(StoreError) {
        let place = Keys.apiKey(id)
        try retrying("API key \(id)") { () throws(StoreError) in
            let snapshot = try storing { () throws(StorageError) in try storage.read([.key(place)], at: nil) }
            guard let record = snapshot.records.first else { throw .apiKeyMissing(id) }
            let key = try unlessDamaged { () throws(StoreError) in try foundKey(id, record).value }
            try commit(
                if: [.unchanged(place, since: record.modified)], then: [.delete(place)],
                recording: [event(.apiKeyRevoke, id, key, by: actor)])
        }
    }

    // MARK: Below: shared by the operations

    func findKey(_ id: APIKeyID) throws(StoreError) -> Found<APIKey>? {
        let key = Keys.apiKey(id)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { return nil }
        return try foundKey(id, record)
    }

    /// The record of a user, and the keys of that name, of one moment. A key whose record does not open lets nobody in,
    /// and must not keep others from being made or deleted: it is left out.
    ///
    /// - Throws: `.userMissing`.
    func userAndKeys(_ name: UserName) throws(StoreError) -> (user: StoredRecord, keys: [Found<APIKey>]) {
        let place = Keys.user(name)
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.key(place), .prefix(Keys.apiKeys)], at: nil)
        }
        guard let user = snapshot.records.first, user.key == place else { throw .userMissing(name) }
        var keys: [Found<APIKey>] = []
        for record in snapshot.records.dropFirst() {
            guard let id = Keys.apiKeyID(record.key),
                let key = try unlessDamaged({ () throws(StoreError) in try foundKey(id, record) }),
                key.value.user == name
            else { continue }
            keys.append(key)
        }
        return (user, keys)
    }

    private func foundKey(_ id: APIKeyID, _ record: StoredRecord) throws(StoreError) -> Found<APIKey> {
        let key = try decode(record) { bytes throws(RecordFormatError) in try APIKey(id, decoding: bytes) }
        return Found(value: key, record: record)
    }

    private func unlessDamaged<T>(_ body: () throws(StoreError) -> T) throws(StoreError) -> T? {
        do throws(StoreError) { return try body() } catch {
            guard error.isDamage else { throw error }
            return nil
        }
    }

    private func event(_ action: AuditAction, _ id: APIKeyID, _ key: APIKey?, by actor: Actor) -> AuditEvent {
        var detail = key.map { "\($0.user) " } ?? ""
        detail += id.text
        if let key, key.isReadOnly { detail += ", read only" }
        if let expires = key?.expires { detail += ", expires \(expires)" }
        return AuditEvent(action, by: AuditActor(changingAs: actor), detail: detail)
    }
}
