package import Secrets

/// Records of a store that do not open.
package struct DamagedRecords: Sendable {
    package struct Record: Sendable {
        /// As storage has it.
        package let key: String
        package let subject: Subject
    }

    package enum Subject: Sendable {
        /// A value; `versions` are those that its secret has, ascending.
        case value(Version, of: EnvironmentName, in: SecretHome, versions: [Version])
        /// What else is kept: of a secret, of an algorithm, of the audit log.
        case other
    }

    /// The first hundred.
    package fileprivate(set) var records: [Record] = []
    package fileprivate(set) var count = 0
    /// How many records were opened, those included.
    package fileprivate(set) var total = 0
}

extension SecretStore {
    /// Opens every record, while others use the store, and forgets what they hold.
    package func damagedRecords(onProgress: (Progress) -> Bool) throws(StoreError) -> DamagedRecords {
        var found = DamagedRecords()
        var total = 0
        for prefix in Keys.plentiful {
            total += try storing { () throws(StorageError) in try storage.count(of: prefix) }
        }
        var last: Page.End?
        while true {
            let after = last
            let page = try storing { () throws(StorageError) in
                try storage.page(after: after, Self.checkedPage)
            }
            guard let end = page.end else { return found }
            last = end
            for record in page.records {
                found.total += 1
                guard try !opens(record) else { continue }
                found.count += 1
                guard found.records.count < 100 else { continue }
                found.records.append(.init(key: record.key.text, subject: try subject(of: record.key)))
            }
            guard onProgress(Progress(done: found.total, total: max(total, found.total))) else {
                throw .storage(.cancelled)
            }
        }
    }

    private static let checkedPage = PageLimit(records: 1000, bytes: 4 << 20)

    private func opens(_ record: StoredRecord) throws(StoreError) -> Bool {
        do throws(StoreError) {
            try check(record)
            return true
        } catch {
            guard error.isDamage else { throw error }
        }
        // What was replaced, deleted or sealed anew since it was read is no damage.
        let again = try storing { () throws(StorageError) in try storage.read([.key(record.key)], at: nil) }
        guard let now = again.records.first else { return true }
        do throws(StoreError) {
            try check(now)
            return true
        } catch {
            guard error.isDamage else { throw error }
            return false
        }
    }

    private func subject(of key: RecordKey) throws(StoreError) -> DamagedRecords.Subject {
        guard let place = Keys.valuePlace(key) else { return .other }
        let secrets = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.secrets(of: place.home))], at: nil)
        }
        for record in secrets.records {
            // Its record may be damaged too; then the value's own key must do.
            guard let secret = try? foundSecret(record, of: place.home).value,
                secret.id.lowercaseText == place.id
            else { continue }
            return .value(
                place.version, of: secret.name, in: place.home, versions: secret.versions.map(\.version))
        }
        return .other
    }
}
