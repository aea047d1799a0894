import FoundationEssentials
package import Secrets
import Synchronization

/// An open (unsealed) store: algorithms, their secrets and values. All rules about them are here, once,
/// above storage and sealing.
///
/// Every change is one transaction: all of it or nothing, durable when the call returns (R8). Safe to use
/// from many threads and by many processes at once.
package final class SecretStore: Sendable {
    package let storage: any Storage
    let keyholder: Keyholder
    package let audit: AuditLog
    private let changesTrail: Mutex<any AuditTrail>
    /// Outlives the store where somebody asks later.
    package let commits = Commits()

    init(storage: any Storage, keyholder: Keyholder, audit: AuditLog) {
        self.storage = storage
        self.keyholder = keyholder
        self.audit = audit
        changesTrail = Mutex(audit)
    }

    /// Where changes are recorded before they are made: the audit log, until another way to it is named.
    /// The state folder.
    package var folder: String { audit.folder.path }
    package var trail: any AuditTrail { changesTrail.withLock { $0 } }
    package func record(through trail: any AuditTrail) { changesTrail.withLock { $0 = trail } }

    // MARK: Reading

    /// Every algorithm, by name.
    package func algorithms() throws(StoreError) -> [Algorithm] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.algorithms)], at: nil)
        }
        var algorithms: [Algorithm] = []
        for record in snapshot.records {
            guard let name = Keys.algorithmName(record.key) else { throw .damaged(record: record.key.text) }
            algorithms.append(
                try decode(record) { bytes throws(RecordFormatError) in try Algorithm(name, decoding: bytes) }
            )
        }
        return algorithms.sorted { $0.name < $1.name }
    }

    /// One algorithm and its secrets, by name, as of one moment.
    package func algorithm(_ name: AlgorithmName) throws(StoreError) -> (Algorithm, [Secret]) {
        let loaded = try load(.algorithm(name))
        guard let algorithm = loaded.algorithm else { throw .algorithmMissing(name) }
        return (algorithm.value, loaded.secrets.map(\.value))
    }

    /// The secrets of `home`, by name, as of one moment.
    package func secrets(of home: SecretHome) throws(StoreError) -> [Secret] {
        try load(home).secrets.map(\.value)
    }

    /// As `secrets(of:)`, for who has to show what there is: a damaged record hides none of the others.
    package func listing(of home: SecretHome) throws(StoreError) -> SecretListing {
        let loaded = try load(home, orDamaged: true)
        return SecretListing(secrets: loaded.secrets.map(\.value), unreadable: loaded.unreadable)
    }

    package func secret(_ secret: EnvironmentName, of home: SecretHome) throws(StoreError) -> Secret {
        guard let found = try load(home, only: secret).secrets.first else {
            throw .secretMissing(secret, home)
        }
        return found.value
    }

    /// The newest commit, by anybody.
    package func revision() throws(StoreError) -> Revision {
        try storing { () throws(StorageError) in try storage.read([], at: nil).revision }
    }

    // MARK: Below: shared by the operations

    /// A decoded record and the commit that last put it.
    struct Found<Value> {
        let value: Value
        let record: StoredRecord
    }

    /// What a home holds, at one moment.
    struct Loaded {
        /// Nil for an owner.
        var algorithm: Found<Algorithm>?
        var secrets: [Found<Secret>]
        /// Whose records do not open.
        var unreadable: [EnvironmentName] = []
        let revision: Revision

        /// That the home is still there and the same; an owner is there as long as it has an algorithm.
        var conditions: [Transaction.Condition] {
            algorithm.map { [.unchanged($0.record.key, since: $0.record.modified)] } ?? []
        }
    }

    /// - Parameter mayBeDamaged: then a secret's record that does not open is `unreadable`, and no failure.
    /// - Throws: `.algorithmMissing`, `.ownerMissing`, `.damaged`.
    func load(
        _ home: SecretHome, only secret: EnvironmentName? = nil, orDamaged mayBeDamaged: Bool = false
    ) throws(StoreError) -> Loaded {
        var selections: [Selection] = []
        switch home {
        case .algorithm(let name): selections.append(.key(Keys.algorithm(name)))
        case .owner(let owner):
            // Its secrets may outlive its last algorithm; a misspelt owner has neither.
            let places = [Keys.algorithms(of: owner), Keys.secrets(of: home)]
            let count = try storing { () throws(StorageError) in
                try storage.count(of: places[0]) + storage.count(of: places[1])
            }
            guard count > 0 else { throw .ownerMissing(owner) }
        }
        selections.append(secret.map { .key(Keys.secret($0, of: home)) } ?? .prefix(Keys.secrets(of: home)))
        let snapshot = try storing { () throws(StorageError) in try storage.read(selections, at: nil) }
        var records = snapshot.records[...]
        var loaded = Loaded(secrets: [], revision: snapshot.revision)
        if case .algorithm(let name) = home {
            guard let first = records.popFirst(), first.key == Keys.algorithm(name) else {
                throw .algorithmMissing(name)
            }
            loaded.algorithm = try foundAlgorithm(name, first)
        }
        for record in records {
            do throws(StoreError) { loaded.secrets.append(try foundSecret(record, of: home)) } catch {
                guard mayBeDamaged, error.isDamage, let name = Keys.secretName(record.key, of: home) else {
                    throw error
                }
                loaded.unreadable.append(name)
            }
        }
        return loaded
    }

    func foundAlgorithm(_ name: AlgorithmName, _ record: StoredRecord) throws(StoreError) -> Found<Algorithm>
    {
        let algorithm = try decode(record) { bytes throws(RecordFormatError) in
            try Algorithm(name, decoding: bytes)
        }
        return Found(value: algorithm, record: record)
    }

    func foundSecret(_ record: StoredRecord, of home: SecretHome) throws(StoreError) -> Found<Secret> {
        guard let name = Keys.secretName(record.key, of: home) else {
            throw .damaged(record: record.key.text)
        }
        let secret = try decode(record) { bytes throws(RecordFormatError) in
            try Secret(name, decoding: bytes)
        }
        return Found(value: secret, record: record)
    }

    func decode<T>(
        _ record: StoredRecord, _ parse: ([UInt8]) throws(RecordFormatError) -> T
    ) throws(StoreError) -> T {
        let plaintext = try openMetadata(record.bytes, record.key)
        do {
            return try parse(plaintext)
        } catch .newerFormat(let found) {
            throw .newerFormat(record: record.key.text, found: found)
        } catch {
            throw .damaged(record: record.key.text)
        }
    }

    func openMetadata(_ bytes: [UInt8], _ key: RecordKey) throws(StoreError) -> [UInt8] {
        try opening(key) { sealer throws(SealError) in try sealer.open(bytes.span, under: key).copied }
    }

    func seal(
        metadata: [UInt8], under key: RecordKey, _ random: inout RandomBlock
    ) throws(StoreError) -> [UInt8] {
        try sealing { sealer throws(SealError) in
            try unsafe sealer.seal(metadata.span.bytes, under: key, drawing: &random)
        }
    }

    func seal(
        _ value: SecretValue, under key: RecordKey, _ random: inout RandomBlock
    ) throws(StoreError) -> [UInt8] {
        try sealing { sealer throws(SealError) in
            try value.withBytes { bytes throws(SealError) in
                try sealer.seal(bytes, under: key, drawing: &random)
            }
        }
    }

    func storing<T>(_ body: () throws(StorageError) -> T) throws(StoreError) -> T {
        do { return try body() } catch { throw .storage(error) }
    }

    /// Tries a compare-and-commit until it is not overtaken by another writer.
    ///
    /// - Parameter attempt: reads, then commits; `StoreError.storage(.conflict)` means somebody was first, with the keyring too.
    func retrying<T>(_ what: String, _ attempt: () throws(StoreError) -> T) throws(StoreError) -> T {
        for round in 0..<Self.maximumAttempts {
            do {
                return try attempt()
            } catch .storage(.conflict(let key)) {
                // With other keys now: what was sealed by the ones before is sealed anew.
                if key == Keys.keyring { try catchUpWithKeys() }
                // Somebody else made progress; stagger, so that many writers do not meet again and again.
                pause(milliseconds: Int.random(in: 0...min(round, 20)))
            }
        }
        throw .lostRace(what)
    }
    private static let maximumAttempts = 100
}

/// The secrets of an algorithm or an owner, by name.
package struct SecretListing: Sendable {
    package let secrets: [Secret]
    /// Whose own records do not open: of them only the name is known.
    package let unreadable: [EnvironmentName]
}

/// What was committed through one store.
package final class Commits: Sendable {
    private let revision = Mutex<Revision?>(nil)

    /// The newest revision that changes made; nil if there were none.
    package var newest: Revision? { revision.withLock { $0 } }
    func note(_ new: Revision) { revision.withLock { $0 = max($0 ?? new, new) } }
}
