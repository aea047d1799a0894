package import Secrets

extension SecretStore {
    /// Everything that the mounts of `name` show, at one moment. Values stay sealed.
    package func view(of name: AlgorithmName) throws(StoreError) -> AlgorithmView {
        // Between the two reads an update may delete a version that the first one named. Then both are read
        // again; a value's record never changes once it is there, so what is found belongs together.
        try retrying("view of \(name)") { () throws(StoreError) in
            let (algorithm, secrets, revision) = try load(name)
            let keys = secrets.map { Keys.value($0.value.current.version, of: $0.value.id, in: name) }
            let values = try storing { () throws(StorageError) in
                try storage.read(keys.map(Selection.key), at: nil)
            }
            guard values.records.map(\.key) == keys else {
                guard values.revision > revision else { throw missingValue(keys, values.records) }
                throw .storage(.conflict(Keys.algorithm(name)))
            }
            let entries = zip(secrets, values.records).map { secret, value in
                entry(secret, value, in: name)
            }
            let modified = secrets.map(\.value.modified).max() ?? algorithm.value.created
            return AlgorithmView(
                generation: revision.rawValue, modified: modified,
                entries: entries.sorted { $0.name < $1.name })
        }
    }

    private func missingValue(_ keys: [RecordKey], _ found: [StoredRecord]) -> StoreError {
        let present = Set(found.map(\.key))
        return .damaged(record: keys.first { !present.contains($0) }?.text ?? "value")
    }

    private func entry(_ secret: Found<Secret>, _ value: StoredRecord, in name: AlgorithmName) -> Entry {
        let current = secret.value.current
        return Entry(
            name: secret.value.name, secret: secret.value.id, version: current.version,
            delivery: secret.value.delivery, count: current.count, modified: current.created,
            sealed: StoredEntry(
                store: self, name: secret.value.name, metadata: secret.record.bytes, algorithm: name,
                value: value.bytes, valueKey: value.key))
    }
}

/// The sealed records of one entry, as a mount keeps them in memory.
private final class StoredEntry: SealedEntry {
    private let store: SecretStore
    private let algorithm: AlgorithmName
    private let name: EnvironmentName
    private let metadata: [UInt8]
    private let value: [UInt8]
    private let valueKey: RecordKey

    init(
        store: SecretStore, name: EnvironmentName, metadata: [UInt8], algorithm: AlgorithmName,
        value: [UInt8],
        valueKey: RecordKey
    ) {
        self.store = store
        self.name = name
        self.metadata = metadata
        self.algorithm = algorithm
        self.value = value
        self.valueKey = valueKey
    }

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        let value = value
        do {
            try store.sealer.open(value.span, under: valueKey, into: &destination)
        } catch {
            throw .damaged
        }
    }

    func details() throws(OpenError) -> EntryDetails {
        do {
            let plaintext = try store.openMetadata(metadata, Keys.secret(name, of: algorithm))
            let secret = try Secret(name, decoding: plaintext)
            return EntryDetails(
                displayName: secret.displayName, description: secret.about, provider: secret.provider)
        } catch {
            throw .damaged
        }
    }
}
