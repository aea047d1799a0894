import Secrets

/// How an open store uses its data keys, and notices that another process changed them.
extension SecretStore {
    /// Calls `body` with the present keys; again, once, if it meets a record of a key that is newer than they are.
    ///
    /// - Throws: `.damaged`, `.unknownKey`, `.newerFormat`, `.sealed`, naming `key`.
    func opening<T>(
        _ key: RecordKey, _ body: (RecordSealer) throws(SealError) -> T
    ) throws(StoreError) -> T {
        let keys = try keyholder.current
        do throws(SealError) {
            return try body(try keys.sealer)
        } catch .unknownKey(let id) {
            guard try hasOther(than: keys) else { throw .unknownKey(record: key.text, id) }
        } catch {
            throw failure(error, key)
        }
        do throws(SealError) { return try body(try sealer()) } catch { throw failure(error, key) }
    }

    /// Whether there are other keys now than `keys`, with which a record did not open. Another thread may have been faster to
    /// take them.
    func hasOther(than keys: OpenKeys) throws(StoreError) -> Bool {
        try renewKeys()
        return try keyholder.current !== keys
    }

    /// Calls `body`, which changes nothing: all that it reads may be of one moment, which is cheaper than each by itself.
    package func atOneMoment<T>(_ body: () throws -> T) throws -> T {
        let generation = keyGeneration
        do { return try storage.atOneMoment(body) } catch  where keyGeneration != generation {
            // Another thread has newer keys than that moment had. They do not open what it shows any more.
            return try body()
        }
    }

    func sealing<T>(_ body: (RecordSealer) throws(SealError) -> T) throws(StoreError) -> T {
        do throws(SealError) { return try body(try sealer()) } catch {
            throw error == .sealed ? .sealed : .sealing(error)
        }
    }

    private func sealer() throws(SealError) -> RecordSealer {
        guard let keys = try? keyholder.current else { throw .sealed }
        return try keys.sealer
    }

    private func failure(_ error: SealError, _ key: RecordKey) -> StoreError {
        switch error {
        case .newerFormat(let found): .newerFormat(record: key.text, found: found)
        case .unknownKey(let id): .unknownKey(record: key.text, id)
        case .sealed: .sealed
        case .memory(let error): .memory(error)
        default: .damaged(record: key.text)
        }
    }

    /// Reads the keyring, and takes its keys if they are others than ours.
    ///
    /// - Returns: whether there are other keys now.
    /// - Throws: `.keyring`, if another root key seals it; `.sealed`.
    @discardableResult
    package func renewKeys() throws(StoreError) -> Bool {
        try keyholder.adopt(try keyringRecord()) != nil
    }

    func keyringRecord() throws(StoreError) -> StoredRecord {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.key(Keys.keyring)], at: nil)
        }
        guard let record = snapshot.records.first else { throw .damaged(record: Keys.keyring.text) }
        return record
    }

    /// What keeps a commit from bringing records of a key that is no longer active: that the keyring is still ours,
    /// and that all of `changes` is sealed by its active key. Without this, a record that a slow writer seals by the
    /// old key could come after the old key was taken out of the keyring, and would never open again.
    func keyCondition(for changes: [Transaction.Change]) throws(StoreError) -> Transaction.Condition {
        let keys = try keyholder.current
        let isCurrent: Bool
        do throws(SealError) {
            let sealer = try keys.sealer
            var current = true
            for case .put(let key, let bytes) in changes where !Keys.isUnsealed(key) {
                if try !sealer.isCurrent(bytes.span) { current = false }
            }
            isCurrent = current
        } catch {
            throw error == .sealed ? .sealed : .sealing(error)
        }
        guard isCurrent else { throw .storage(.conflict(Keys.keyring)) }
        return .unchanged(Keys.keyring, since: keys.revision)
    }

    /// After a commit found the keyring changed.
    ///
    /// - Throws: `.keysOutdated` if the new keys cannot be had here.
    func catchUpWithKeys() throws(StoreError) {
        guard try !renewKeys(), try !hasNewestKeys() else { return }
        throw .keysOutdated
    }

    // MARK: For the agent

    package var isSealed: Bool { keyholder.isSealed }

    /// Of the keyring in use.
    package var keyGeneration: UInt32? { try? keyholder.current.generation }

    /// Whether storage has the keyring that is in use.
    package func hasNewestKeys() throws(StoreError) -> Bool {
        try keyholder.current.revision == (try keyringRecord().modified)
    }

    /// Forgets every key, also those of entries that mounts show: nothing more is opened, by anybody.
    package func seal() { keyholder.forget() }

    /// Takes the keys from the keyring as storage has it.
    ///
    /// - Throws: `.keyring`.
    package func unseal(by root: borrowing RootKey) throws(StoreError) {
        let record = try keyringRecord()
        let keyring: Keyring
        do { keyring = try Keyring(opening: record.bytes, with: root) } catch { throw .keyring(error) }
        try keyholder.unseal(OpenKeys(keyring, revision: record.modified, record: record.bytes))
    }

    /// Learns what `keyring`, which is about to be committed, opens to. It is used once storage has it.
    ///
    /// - Throws: `.keyring`.
    package func expect(keyring: [UInt8], by root: borrowing RootKey) throws(StoreError) {
        guard !isSealed else { return }
        do { keyholder.offer(keyring, try Keyring(opening: keyring, with: root)) } catch {
            throw .keyring(error)
        }
    }
}
