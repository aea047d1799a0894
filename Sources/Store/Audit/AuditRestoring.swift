internal import CLinux
internal import Glibc
import Secrets

/// The log of a store in the making, made from a backup.
struct RestoredAudit {
    let path: String
    let isNew: Bool
    /// What was in its place and is not its own.
    let setAside: [AuditFolder.Renamed]

    /// The store was not made.
    func takeBack() {
        if isNew { unsafe unlink(path) }
        for file in setAside { unsafe rename(file.new, file.old) }
    }
}

extension SecretStore {
    /// Says in the log of `directory` that this store becomes the one there. If there is no log of this store, none is
    /// missed: one begins behind the lines that storage knows of.
    func recordRestore(in directory: String, from name: String) throws(StoreError) -> RestoredAudit {
        let log: AuditLog
        do {
            log = try AuditLog(at: directory, audit.key, known: audit.end, settings: audit.settings)
        } catch {
            throw .sealing(error)
        }
        let setAside = try log.setAsideForeign { () throws(StoreError) in
            try SealedStore.checkVacant(directory)
        }
        let event = AuditEvent(.restore, by: .thisProcess, detail: name)
        var restored = RestoredAudit(path: log.folder.current, isNew: false, setAside: setAside)
        do throws(StoreError) {
            let first = try auditing { () throws(AuditError) in try log.beginRestored(event) }
            restored = RestoredAudit(path: restored.path, isNew: first != nil, setAside: setAside)
            let store = SecretStore(storage: storage, keyholder: keyholder, audit: log)
            try store.anchorAudit(keepingFrom: first)
        } catch {
            restored.takeBack()
            throw error
        }
        return restored
    }
}

extension AuditLog {
    /// Keeps the files of a log in which our key vouches for nothing under other names: it is that of a store that
    /// was made here and is gone, and ours would not go on from it. So are older files without an `audit.log`.
    ///
    /// - Parameter checkVacant: called with the log locked: whoever makes a store here meanwhile has it.
    /// - Returns: nothing for a log of this store.
    fileprivate func setAsideForeign(
        _ checkVacant: () throws(StoreError) -> Void
    ) throws(StoreError) -> [AuditFolder.Renamed] {
        let deadline = linuxDeadline()
        do {
            while let file = try AuditFile.openForAppending(folder.current) {
                guard try file.lock(until: deadline) else { throw AuditError.busy(path: folder.current) }
                guard try file.hasItsName() else { continue }
                let mac = try AuditMAC(key)
                let ending = try AuditEnding(of: file, count: Int(file.status().st_size), mac)
                guard ending.link == nil else { return [] }
                try checkVacant()
                return try folder.setAside()
            }
            return try folder.setAside()
        } catch let error as AuditError {
            throw .audit(error)
        } catch let error as StoreError {
            throw error
        } catch let error as SealError {
            throw .sealing(error)
        } catch {
            throw .damaged(record: Keys.auditKey.text)
        }
    }

    /// Begins a log that goes on behind what storage knows, for a store that was restored without its log.
    ///
    /// - Returns: the number of its first line; nil if the log is there, to which the event is appended.
    fileprivate func beginRestored(_ event: AuditEvent) throws(AuditError) -> UInt64? {
        var link = end
        let first = link.sequence + 1
        let mac = try checked(folder.current) { () throws(SealError) in try AuditMAC(key) }
        let begin = AuditEvent(.logBegin, by: .thisProcess)
        guard let file = try folder.begin([begin, event], following: &link, mac) else {
            try write([event], isDurable: true)
            return nil
        }
        file.unlock()
        // From here on this process knows the file, as another writer would find it.
        _ = try withFile { _, _ throws(AuditError) in }
        return first
    }
}

extension AuditFolder {
    /// A file that has another name now.
    struct Renamed: Sendable {
        let old: String
        let new: String
    }

    /// Keeps all files of a log under names that are not those of a log: `audit.log.left-…`.
    func setAside() throws(AuditError) -> [Renamed] {
        let names = try [current] + numbers().map(moved)
        let present = names.filter { unsafe access($0, F_OK) == 0 }
        var mark = ".left-\(Timestamp.now().seconds)"
        while present.contains(where: { unsafe access($0 + mark, F_OK) == 0 }) { mark += "-again" }
        var renamed: [Renamed] = []
        for name in present {
            guard unsafe rename(name, name + mark) == 0 else { throw AuditError(errno, name) }
            renamed.append(Renamed(old: name, new: name + mark))
        }
        return renamed
    }
}
