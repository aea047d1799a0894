import FoundationEssentials
package import Secrets

/// A transaction in the making.
struct Write: ~Copyable {
    let actor: Actor
    var conditions: [Transaction.Condition] = []
    var changes: [Transaction.Change] = []
    /// Puts of values, made after `changes`: neighbours in storage are written one after the other.
    var newValues: [Transaction.Change] = []
    var random = RandomBlock()
    /// What is recorded before the changes are made.
    var events: [AuditEvent] = []
    private let home: SecretHome
    /// What the keys of all secrets and of all values begin with.
    private let secrets: String
    private let values: String
    /// Identities for new secrets, in descending order: see `newID`.
    private var ids: [SecretID] = []

    /// - Parameter count: how many secrets may be made.
    init(to home: SecretHome, by actor: Actor, count: Int = 0) throws(SealError) {
        self.actor = actor
        self.home = home
        secrets = Keys.secrets(of: home).text
        values = Keys.values(of: home).text
        conditions.reserveCapacity(count + 1)
        changes.reserveCapacity(2 * count)
        newValues.reserveCapacity(count)
        ids = try UUID.random(count, drawing: &random)
    }

    /// Says what this write does, for the audit log.
    mutating func tells(
        _ action: AuditAction, _ secret: Secret? = nil, version: Version? = nil, _ detail: String? = nil
    ) {
        events.append(
            AuditEvent(
                action, by: AuditActor(changingAs: actor), home: home, secret: secret?.name, id: secret?.id,
                version: version, detail: detail))
    }

    /// An identity for a new secret. They are handed out in ascending order, so that the keys of many new values
    /// ascend, and SQLite fills page after page.
    ///
    /// - Precondition: not more than were expected.
    mutating func newID() -> SecretID { ids.removeLast() }

    func key(of secret: EnvironmentName) -> RecordKey { RecordKey(secrets + secret.text) }

    func key(of version: Version, of secret: SecretID) -> RecordKey {
        RecordKey("\(values)\(secret.lowercaseText)/\(version)")
    }
}

extension SecretStore {
    func write(to home: SecretHome, by actor: Actor, count: Int = 0) throws(StoreError) -> Write {
        do { return try Write(to: home, by: actor, count: count) } catch { throw .sealing(error) }
    }

    func commit(_ write: borrowing Write) throws(StoreError) {
        try commit(
            if: write.conditions, then: write.changes + write.newValues, recording: write.events)
    }

    /// Records `events`, then makes the changes; if that fails, it records that too.
    ///
    /// - Throws: `.audit`; then nothing was changed. Others as `put(if:then:)`.
    func commit(
        if conditions: [Transaction.Condition], then changes: [Transaction.Change],
        recording events: [AuditEvent]
    ) throws(StoreError) {
        try record(events)
        do {
            try put(if: conditions, then: changes)
        } catch {
            // Without it the log says of a change that it was about to be made, which is true.
            try? record(events.map(\.failed))
            throw error
        }
        keepAudit()
    }

    func record(_ events: [AuditEvent]) throws(StoreError) {
        let trail = trail
        try auditing { () throws(AuditError) in try trail.record(events) }
    }

    /// The only way in which domain logic writes.
    ///
    /// - Throws: `.storage(.conflict)`, naming the keyring if the data keys have changed: see `retrying`.
    func put(if conditions: [Transaction.Condition], then changes: [Transaction.Change]) throws(StoreError) {
        let keys = try keyCondition(for: changes)
        commits.note(
            try storing { () throws(StorageError) in
                try storage.commit(Transaction(if: [keys] + conditions, then: changes))
            })
    }

    package func check(_ value: SecretValue, _ name: EnvironmentName, _ delivery: Delivery) throws(StoreError)
    {
        guard value.count <= SecretValue.maximumCount else { throw .tooLong(name, count: value.count) }
        guard delivery == .env, let reason = Delivery.refusal(of: value, as: name) else { return }
        throw .needsFileDelivery(name, reason: reason)
    }

    func addSecret(
        _ new: NewSecret, to home: SecretHome, _ write: inout Write
    ) throws(StoreError) -> Secret {
        if let origin = new.origin { try use(origin.provider, &write) }
        let now = Timestamp.now()
        var secret = Secret(
            name: new.name, id: write.newID(), displayName: new.displayName, about: new.about,
            origin: new.origin, delivery: new.delivery, created: now, modified: now, kept: new.kept,
            validity: new.validity, callers: new.callers,
            versions: [
                VersionInfo(version: .first, count: new.value.count, created: now, actor: write.actor)
            ])
        if case .owner(let owner) = home, !new.grants.isEmpty {
            try grant(new.grants, of: &secret, owner, &write)
        }
        let key = write.key(of: new.name)
        write.conditions.append(.absent(key))
        write.changes.append(.put(key, try seal(metadata: secret.encoded(), under: key, &write.random)))
        let valueKey = write.key(of: .first, of: secret.id)
        write.newValues.append(.put(valueKey, try seal(new.value, under: valueKey, &write.random)))
        return secret
    }

    /// - Returns: `secret` with `value` as its newest version; versions beyond the kept ones are deleted.
    /// - Throws: `.externalValue` if a provider has its value.
    func addVersion(
        _ value: SecretValue, to secret: Secret, _ record: StoredRecord, _ write: inout Write
    ) throws(StoreError) -> Secret {
        if let origin = secret.origin { throw .externalValue(secret.name, origin) }
        return try add(value, to: secret, record, &write)
    }

    func add(
        _ value: SecretValue, to secret: Secret, _ record: StoredRecord, _ write: inout Write
    ) throws(StoreError) -> Secret {
        guard let version = secret.current.version.next else { throw .versionsExhausted(secret.name) }
        var next = secret
        next.modified = .now()
        next.versions.append(
            VersionInfo(version: version, count: value.count, created: next.modified, actor: write.actor))
        trim(&next, &write)
        let key = write.key(of: version, of: secret.id)
        write.newValues.append(.put(key, try seal(value, under: key, &write.random)))
        try put(next, replacing: record, &write)
        return next
    }

    /// Deletes the versions beyond the kept ones.
    func trim(_ secret: inout Secret, _ write: inout Write) {
        while secret.versions.count > secret.kept {
            let old = secret.versions.removeFirst()
            write.changes.append(.delete(write.key(of: old.version, of: secret.id)))
        }
    }

    func put(_ secret: Secret, replacing record: StoredRecord, _ write: inout Write) throws(StoreError) {
        write.conditions.append(.unchanged(record.key, since: record.modified))
        let sealed = try seal(metadata: secret.encoded(), under: record.key, &write.random)
        write.changes.append(.put(record.key, sealed))
    }

    /// A value of `secret`, in memory that wipes itself.
    func value(
        _ version: VersionInfo, of secret: Secret, in home: SecretHome
    ) throws(StoreError) -> SecretValue {
        let key = Keys.value(version.version, of: secret.id, in: home)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .damaged(record: key.text) }
        return try opening(key) { sealer throws(SealError) in
            try .sealing(capacity: version.count) { bytes throws(SealError) in
                try sealer.open(record.bytes.span, under: key, into: &bytes)
            }
        }
    }
}
