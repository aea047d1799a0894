package import Secrets

extension SecretStore {
    /// Everything that the mounts of `name` show now. Values stay sealed.
    ///
    /// - Parameter moment: which validities have begun and ended.
    package func view(
        of name: AlgorithmName, at moment: Timestamp = .now()
    ) throws(StoreError) -> AlgorithmView {
        // Between the reads an update may delete a version that the first one named. Then all is read again; a
        // value's record never changes once it is there, so what is found belongs together.
        try retrying("view of \(name)") { () throws(StoreError) in
            let (algorithm, visibility, revision) = try visibility(of: name)
            let candidates = visibility.candidates(for: name, at: moment)
            let shown = candidates.filter { $0.0.state == .visible }
            let places = shown.map {
                Keys.value($0.0.secret.current.version, of: $0.0.secret.id, in: $0.0.home)
            }
            let values = try storing { () throws(StorageError) in
                try storage.read(places.map(Selection.key), at: nil)
            }
            guard values.records.map(\.key) == places else {
                guard values.revision > revision else { throw missingValue(places, values.records) }
                throw .storage(.conflict(Keys.algorithm(name)))
            }
            let keys = try keyholder.current
            let isOpenable = (shown.map(\.1.record) + values.records).allSatisfy { keys.has(keyOf: $0) }
            // A record of a key that was made after we looked; what is damaged stays an error of its own file.
            if !isOpenable, try renewKeys() { throw .storage(.conflict(Keys.keyring)) }
            let entries = zip(shown, values.records).map { shown, value in
                entry(shown.1, value, keys, algorithm.value.callers)
            }
            let limits = candidates.flatMap { $0.0.secret.validity.limits }
            let modified = candidates.map(\.0.secret.modified) + limits.filter { $0 <= moment }
            return AlgorithmView(
                generation: Self.generation(of: revision, limitsPassed: limits.count { $0 <= moment }),
                modified: modified.max() ?? algorithm.value.created,
                entries: entries.sorted { $0.name < $1.name },
                nextChange: limits.filter { moment < $0 }.min(), shared: Set(visibility.shared.map(\.secret)),
                mounters: algorithm.value.mounters)
        }
    }

    /// Grows with each commit and, between two commits, with each beginning and end of a validity.
    package static func generation(of revision: Revision, limitsPassed: Int = 0) -> UInt64 {
        let steps: UInt64 = 100_000
        return revision.rawValue * steps + min(UInt64(limitsPassed), steps - 1)
    }

    private func missingValue(_ keys: [RecordKey], _ found: [StoredRecord]) -> StoreError {
        let present = Set(found.map(\.key))
        return .damaged(record: keys.first { !present.contains($0) }?.text ?? "value")
    }

    private func entry(
        _ secret: Found<Secret>, _ value: StoredRecord, _ keys: OpenKeys, _ algorithmRule: CallerRule
    ) -> Entry {
        let current = secret.value.current
        return Entry(
            name: secret.value.name, secret: secret.value.id, version: current.version,
            delivery: secret.value.delivery, count: current.count, modified: current.created,
            sealed: StoredEntry(
                keys: keys, name: secret.value.name, metadata: secret.record, value: value),
            callers: [algorithmRule, secret.value.callers].filter { !$0.isAnyone },
            expires: secret.value.validity.expires)
    }
}

/// The sealed records of one entry, as a mount keeps them in memory, with the keys that open them. Nothing here reads
/// storage: it answers requests of the mount.
private final class StoredEntry: SealedEntry {
    private let keys: OpenKeys
    private let name: EnvironmentName
    private let metadata: StoredRecord
    private let value: StoredRecord

    init(keys: OpenKeys, name: EnvironmentName, metadata: StoredRecord, value: StoredRecord) {
        self.keys = keys
        self.name = name
        self.metadata = metadata
        self.value = value
    }

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        let bytes = value.bytes
        do {
            try keys.sealer.open(bytes.span, under: value.key, into: &destination)
        } catch {
            throw error == .sealed ? .sealed : .damaged
        }
    }

    func details() throws(OpenError) -> EntryDetails {
        let plaintext: SecretValue
        let bytes = metadata.bytes
        do {
            plaintext = try keys.sealer.open(bytes.span, under: metadata.key)
        } catch {
            throw error == .sealed ? .sealed : .damaged
        }
        let secret: Secret
        do { secret = try Secret(name, decoding: plaintext.copied) } catch { throw .damaged }
        return EntryDetails(
            displayName: secret.displayName, description: secret.about, provider: secret.provider)
    }
}

extension SecretValue {
    /// For what is no value: metadata.
    var copied: [UInt8] {
        withBytes { plaintext in
            unsafe [UInt8](unsafeUninitializedCapacity: plaintext.byteCount) { buffer, count in
                unsafe plaintext.withUnsafeBytes { source in
                    unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
                }
                count = plaintext.byteCount
            }
        }
    }
}
