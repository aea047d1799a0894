import Glibc
import Secrets

/// A whole store under a temporary name: a backup before it gets its name, or a restored store before it is one.
/// At the end of its scope the temporary name is gone.
///
/// Whoever wrote it, it is opened and checked as a stranger's, by the code that opens stores.
package final class StoreDraft {
    private let folder: DraftFolder
    /// What messages call it: the backup's name.
    private let name: String
    private let storage: SQLiteStorage
    package let sealed: SealedStore
    /// What was recorded for the store that this is to become; taken back if it does not.
    private var begun: RestoredAudit?

    deinit { begun?.takeBack() }

    /// Copies `store` into a draft below `parent`.
    package convenience init(
        of store: SealedStore, named name: String, below parent: String, onProgress: (Progress) -> Bool
    ) throws(StoreError) {
        let folder = try Self.folder(below: parent) { path throws(StorageError) in
            try store.storage.backUp(to: path, onProgress: onProgress)
        }
        try self.init(folder, named: name)
    }

    /// Copies the bytes of `descriptor`, from where it is to its end, into a draft below `parent`.
    package convenience init(
        reading descriptor: Int32, named name: String, below parent: String, onProgress: (Progress) -> Bool
    ) throws(StoreError) {
        let folder = try Self.folder(below: parent) { path throws(StorageError) in
            try ByteCopy.copy(descriptor, named: name, toFile: path, onProgress: onProgress)
        }
        try self.init(folder, named: name)
    }

    private static func folder(
        below parent: String, filledBy fill: (String) throws(StorageError) -> Void
    ) throws(StoreError) -> DraftFolder {
        do throws(StorageError) {
            let folder = try DraftFolder(below: parent)
            do throws(StorageError) { try fill(folder.file.path) } catch {
                throw error.naming(folder.path, as: parent)
            }
            return folder
        } catch {
            throw .storage(error)
        }
    }

    /// - Throws: as `SealedStore.open`, naming `name`.
    private init(_ folder: consuming DraftFolder, named name: String) throws(StoreError) {
        do throws(StoreError) {
            let storage = try Self.storage(in: folder.path)
            sealed = try SealedStore(storage, at: folder.path)
            self.storage = storage
        } catch {
            throw error.naming(folder.path, as: name)
        }
        self.folder = folder
        self.name = name
    }

    private static func storage(in directory: String) throws(StoreError) -> SQLiteStorage {
        do { return try SQLiteStorage.open(at: directory) } catch { throw .storage(error) }
    }

    /// Every page and count, and the keyring as far as it can be told without the root key.
    package func check() throws(StoreError) {
        try asking { () throws(StorageError) in try storage.check() }
        try sealed.checkKeyring()
    }

    /// Opens every record with the keys that `root` opens.
    ///
    /// - Throws: `.keyring(.wrongRootKey)`; `.damaged` for the first record that does not open.
    package func openRecords(
        with root: borrowing RootKey, onProgress: (Progress) -> Bool
    ) throws(StoreError) {
        let store = try sealed.unseal(by: root)
        let total = try asking { () throws(StorageError) in try storage.countAll() }
        var done = 0
        var last: Page.End?
        while true {
            // Nobody else has this store, so that one page follows the other.
            let page = try asking { () throws(StorageError) in try storage.page(after: last, Self.page) }
            guard let end = page.end else { return }
            last = end
            for record in page.records { try store.check(record) }
            done += page.records.count
            guard onProgress(Progress(done: done, total: total)) else { throw .storage(.cancelled) }
        }
    }
    private static let page = PageLimit(records: 1000, bytes: 8 << 20)

    /// Records in the audit log of `directory`, whose store this becomes, that it is restored. If there is no log, one
    /// begins behind the lines that the backup knows of, and those are not missed. The log of another store is kept
    /// under another name.
    ///
    /// - Returns: the names under which another store's log is kept now.
    /// - Throws: `.audit`; `.exists` if there is a store by now.
    package func recordRestore(
        into directory: String, with root: borrowing RootKey
    ) throws(StoreError) -> [String] {
        let restored = try sealed.unseal(by: root).recordRestore(in: directory, from: name)
        begun = restored
        return restored.setAside.map(\.new)
    }

    private func asking<T>(_ body: () throws(StorageError) -> T) throws(StoreError) -> T {
        do { return try body() } catch { throw StoreError.storage(error).naming(folder.path, as: name) }
    }

    /// Ends all use of the store, and gives its file the name `path` in `parent`, which the draft is below.
    ///
    /// - Throws: `.storage(.exists)` unless it may replace what is there.
    package func move(to path: String, in parent: String, replacing: Bool) throws(StoreError) {
        do {
            try storage.close()
            try folder.move(to: path, in: parent, replacing: replacing)
        } catch {
            throw StoreError.storage(error).naming(folder.path, as: name)
        }
    }

    /// Ends all use of the store, and makes it the store of `directory`, which the draft is below.
    ///
    /// - Throws: `.exists` if there is one.
    package func becomeStore(of directory: String) throws(StoreError) {
        let place = StoreFile(in: directory)
        do {
            try storage.close()
            try place.checkVacant()
            try StoreFile.sync(folder.file.path)
            try place.adopt(folder.file.path)
            begun = nil
        } catch .exists {
            throw .exists(path: directory)
        } catch {
            throw .storage(error)
        }
    }

    /// Ends all use of the store, and writes its file's bytes to `descriptor`.
    package func write(
        to descriptor: Int32, onProgress: (Progress) -> Bool
    ) throws(StoreError) {
        do {
            try storage.close()
            try ByteCopy.copy(
                file: folder.file.path, to: descriptor, named: "standard output", onProgress: onProgress)
        } catch {
            throw StoreError.storage(error).naming(folder.path, as: name)
        }
    }
}

extension SealedStore {
    /// Records that this store is backed up to `name`.
    ///
    /// - Throws: `.audit`, `.keyring`.
    package func recordBackup(to name: String, with root: borrowing RootKey) throws(StoreError) {
        try record(.backup, detail: name, with: root)
    }

    fileprivate func record(
        _ action: AuditAction, detail: String, with root: borrowing RootKey
    ) throws(StoreError) {
        let trail = try unseal(by: root).trail
        let event = AuditEvent(action, by: .thisProcess, detail: detail)
        do {
            do throws(AuditError) { try trail.record([event]) } catch .lost {
                // That is recorded now, and not what is asked about here.
                try trail.record([event])
            }
        } catch {
            throw .audit(error)
        }
    }

    /// - Throws: `.exists`, or why nothing can be restored into `directory`.
    package static func checkVacant(_ directory: String) throws(StoreError) {
        do { try StoreFile(in: directory).checkVacant() } catch .exists {
            throw .exists(path: directory)
        } catch {
            throw .storage(error)
        }
    }
}

extension SecretStore {
    /// Opens a record, whatever it is, and forgets what it holds.
    func check(_ record: StoredRecord) throws(StoreError) {
        guard !Keys.isUnsealed(record.key) else { return }
        _ = try opening(record.key) { sealer throws(SealError) in
            try sealer.open(record.bytes.span, under: record.key)
        }
    }
}
