internal import CLinux
internal import Glibc
import Secrets

extension SealedStore {
    /// The store with `keys`, and its audit log.
    func opened(_ keys: OpenKeys, root: HeldRootKey?) throws(StoreError) -> SecretStore {
        func record(_ key: RecordKey) -> StoredRecord? { audit.first { $0.key == key } }
        guard let keyRecord = record(Keys.auditKey) else { throw .damaged(record: Keys.auditKey.text) }
        // Each store is made with both. Without the anchor, a log that somebody cut would be whole.
        guard let anchorRecord = record(Keys.auditAnchor) else {
            throw .damaged(record: Keys.auditAnchor.text)
        }
        let log: AuditLog
        do {
            let sealer = try keys.sealer
            let key = try AuditKey(opening: keyRecord.bytes, sealer)
            let link = try sealer.decoded(anchorRecord) { try AuditAnchor(decoding: $0) }.link
            let settings = try record(Keys.auditSettings).map { record in
                try sealer.decoded(record) { try AuditSettings(decoding: $0) }
            }
            log = try AuditLog(
                at: directory, key, known: link, settings: settings ?? AuditSettings())
        } catch let error as StoreError {
            throw error
        } catch SealError.unknownKey(let id) {
            throw .unknownKey(record: Keys.auditKey.text, id)
        } catch {
            throw .damaged(record: Keys.auditKey.text)
        }
        return SecretStore(storage: storage, keyholder: Keyholder(keys, root: root), audit: log)
    }
}

extension RecordSealer {
    /// What a record that holds nothing secret says.
    fileprivate func decoded<T>(_ record: StoredRecord, _ decode: ([UInt8]) throws -> T) throws(StoreError)
        -> T
    {
        do {
            let bytes = try open(record.bytes.span, under: record.key).withBytes { bytes in
                (0..<bytes.byteCount).map { bytes.byte(at: $0) }
            }
            return try decode(bytes)
        } catch SealError.unknownKey(let id) {
            throw .unknownKey(record: record.key.text, id)
        } catch {
            throw .damaged(record: record.key.text)
        }
    }
}

/// The audit log of a store in the making: there before the store is, with its first lines.
struct NewAudit: ~Copyable {
    let log: AuditLog
    /// What the store must hold for it.
    let records: [Transaction.Change]
    // Locked until the store is made, so that another command that makes one waits.
    private let file: AuditFile

    /// - Throws: `.exists` if another command made the store meanwhile.
    static func begin(
        in directory: String, _ storage: any Storage, _ sealer: RecordSealer
    ) throws(StoreError) -> NewAudit {
        do {
            return try unchecked(AuditFolder(path: directory), storage, sealer)
        } catch let error as AuditError {
            throw .audit(error)
        } catch let error as SealError {
            throw .sealing(error)
        } catch let error as StoreError {
            throw error
        } catch let error as StorageError {
            throw .storage(error)
        } catch {
            throw .damaged(record: Keys.auditKey.text)
        }
    }

    private static func unchecked(
        _ folder: AuditFolder, _ storage: any Storage, _ sealer: RecordSealer
    ) throws -> NewAudit {
        let (key, keyRecord) = try AuditKey.create(sealer)
        let mac = try AuditMAC(key)
        let events = [AuditEvent(.logBegin, by: .thisProcess), AuditEvent(.initialize, by: .thisProcess)]
        while true {
            var link = AuditLink.start
            guard let file = try folder.begin(events, following: &link, mac) else {
                try setAside(folder, storage)
                continue
            }
            let anchor = AuditAnchor(link: link, first: 1).encoded()
            let sealed = unsafe try sealer.seal(anchor.span.bytes, under: Keys.auditAnchor)
            let log = try AuditLog(at: folder.path, key, known: link, settings: AuditSettings())
            return NewAudit(
                log: log, records: [.put(Keys.auditKey, keyRecord), .put(Keys.auditAnchor, sealed)],
                file: file)
        }
    }

    /// What an interrupted making left, or a store that is gone, is kept under another name.
    private static func setAside(_ folder: AuditFolder, _ storage: any Storage) throws {
        guard let file = try AuditFile.openForAppending(folder.current) else { return }
        guard try file.lock(until: linux_monotonic_nanoseconds() + AuditLog.patience) else {
            throw AuditError.busy(path: folder.current)
        }
        guard try file.hasItsName() else { return }
        guard try storage.count(of: Keys.keyring) == 0 else { throw StoreError.exists(path: folder.path) }
        _ = try folder.setAside()
    }

    /// The store was not made.
    borrowing func takeBack() {
        if let isNamed = try? file.hasItsName(), isNamed { unsafe unlink(log.folder.current) }
    }
}
