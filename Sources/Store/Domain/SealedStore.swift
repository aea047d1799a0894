import Secrets

/// A store whose keyring has not been opened: it can say how to open it, and serves nothing.
package struct SealedStore: Sendable {
    package let storage: any Storage
    /// Where the root key comes from. From storage, so hostile: it can name a wrong key, never a value.
    package let source: RootKeyDescriptor
    package let keyring: StoredRecord
    /// The store's folder.
    let directory: String
    /// What the audit log needs.
    let audit: [StoredRecord]

    /// - Throws: `.storage(.missing)` and the other storage errors, `.storage(.missing)` too for a store whose
    ///   making was interrupted; `.rootKey` for a descriptor that does not parse.
    package static func open(at directory: String) throws(StoreError) -> SealedStore {
        let storage: SQLiteStorage
        do { storage = try SQLiteStorage.open(at: directory) } catch { throw .storage(error) }
        return try SealedStore(storage, at: directory)
    }

    /// - Throws: as `open(at:)`.
    init(_ storage: any Storage, at directory: String) throws(StoreError) {
        let records: [StoredRecord]
        do {
            // At one moment, so that these keys open these records.
            let keys = [Keys.rootKey, Keys.keyring, Keys.auditKey, Keys.auditAnchor, Keys.auditSettings]
            records = try storage.read(keys.map(Selection.key), at: nil).records
        } catch {
            throw .storage(error)
        }
        guard records.prefix(2).map(\.key) == [Keys.rootKey, Keys.keyring] else {
            if records.isEmpty { throw .storage(.missing(path: directory)) }
            throw .damaged(record: records.first?.key == Keys.keyring ? Keys.rootKey.text : Keys.keyring.text)
        }
        do { source = try RootKeyDescriptor(decoding: records[0].bytes) } catch { throw .rootKey(error) }
        self.storage = storage
        keyring = records[1]
        self.directory = directory
        audit = Array(records.dropFirst(2))
    }

    /// What can be told of the keyring without the root key.
    ///
    /// - Throws: `.keyring`, for damage and for a newer format.
    func checkKeyring() throws(StoreError) {
        do { try Keyring.checkOutside(unsafe keyring.bytes.span.bytes) } catch { throw .keyring(error) }
    }

    /// The open store, for one that runs for long: it has no root key afterwards, and must be told of new data keys.
    ///
    /// - Throws: `.keyring`, which tells a wrong key, a newer format and damage apart.
    package func unseal(by root: borrowing RootKey) throws(StoreError) -> SecretStore {
        try opened(try keys(by: root), root: nil)
    }

    /// The open store, for a command: it keeps the root key, and follows when another process changes the data keys.
    ///
    /// - Throws: as `unseal(by:)`.
    package func unseal(keeping root: HeldRootKey) throws(StoreError) -> SecretStore {
        try opened(try keys(by: root.key), root: root)
    }

    /// Whether `root` is the root key.
    ///
    /// - Throws: `.keyring` for whatever else is wrong.
    package func opens(by root: borrowing RootKey) throws(StoreError) -> Bool {
        do throws(StoreError) {
            _ = try keys(by: root)
            return true
        } catch .keyring(.wrongRootKey) {
            return false
        }
    }

    private func keys(by root: borrowing RootKey) throws(StoreError) -> OpenKeys {
        do {
            return OpenKeys(
                try Keyring(opening: keyring.bytes, with: root), revision: keyring.modified,
                record: keyring.bytes)
        } catch {
            throw .keyring(error)
        }
    }

    /// How many algorithms and secrets there are: names are not sealed. Reads no record.
    package func counts() throws(StoreError) -> (algorithms: Int, secrets: Int) {
        do {
            return (try storage.count(of: Keys.algorithms), try storage.count(of: Keys.secrets))
        } catch {
            throw .storage(error)
        }
    }

    /// Makes a store in `directory`, which is created if it does not exist, with new data keys sealed by `root`.
    ///
    /// - Throws: `.exists` if there is one; it is left alone.
    package static func create(
        at directory: String, source: RootKeyDescriptor, root: borrowing RootKey
    ) throws(StoreError) -> SecretStore {
        let keyring: Keyring
        let sealed: [UInt8]
        let description: [UInt8]
        do { description = try source.encoded() } catch { throw .rootKey(error) }
        do {
            keyring = try Keyring.create()
            sealed = try keyring.sealed(by: root)
        } catch {
            throw .keyring(error)
        }
        let storage: SQLiteStorage
        do { storage = try openOrCreate(directory) } catch { throw .storage(error) }
        let new = try NewAudit.begin(in: directory, storage, RecordSealer(keyring))
        do {
            // The keyring is what makes it a store: of two commands at once, one puts it.
            let revision = try storage.commit(
                Transaction(
                    if: [.absent(Keys.keyring), .absent(Keys.rootKey)],
                    then: [.put(Keys.rootKey, description), .put(Keys.keyring, sealed)] + new.records))
            let keys = OpenKeys(keyring, revision: revision, record: sealed)
            return SecretStore(
                storage: storage, keyholder: Keyholder(keys, root: nil), audit: new.log)
        } catch {
            new.takeBack()
            if case .conflict = error { throw .exists(path: directory) }
            throw .storage(error)
        }
    }

    /// Whether `create` would find a store in `directory`.
    package static func exists(at directory: String) throws(StoreError) -> Bool {
        do {
            return try SQLiteStorage.open(at: directory).count(of: Keys.keyring) > 0
        } catch .missing {
            return false
        } catch {
            throw .storage(error)
        }
    }

    private static func openOrCreate(_ directory: String) throws(StorageError) -> SQLiteStorage {
        do {
            return try SQLiteStorage.open(at: directory)
        } catch .missing {
            return try SQLiteStorage.create(at: directory)
        }
    }
}
