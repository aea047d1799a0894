/// What the data keys of a store seal.
package struct KeyUsage: Sendable {
    /// Of the keyring.
    package let generation: UInt32
    /// From the oldest to the active one.
    package let keys: [DataKey]
    /// How many records say that they are sealed by a key, by its id; ids that the keyring lacks included.
    package internal(set) var records: [KeyID: Int] = [:]
    /// Records that are not what any program of ours wrote.
    package internal(set) var malformed = 0

    init(_ keyring: Keyring) {
        generation = keyring.generation
        keys = keyring.keys
    }

    package var active: KeyID? { keys.last?.id }
    /// Records that a rotation has still to seal anew.
    package var left: Int {
        keys.dropLast().reduce(0) { $0 + (records[$1.id] ?? 0) }
    }
    /// Records of keys that are not there.
    package var unknown: Int {
        let known = Set(keys.map(\.id))
        return records.reduce(0) { known.contains($1.key) ? $0 : $0 + $1.value }
    }
}

extension SecretStore {
    /// Reads the header of every record, all of one moment.
    package func keyUsage() throws(StoreError) -> KeyUsage {
        try renewKeys()
        let keyring: Keyring
        do { keyring = try keyholder.current.sealer.keyring } catch { throw .sealed }
        var heads = HeadCount()
        try storing { () throws(StorageError) in
            try storage.forEachHead(RecordSealer.overhead) { key, head in heads.add(key, head) }
        }
        var usage = KeyUsage(keyring)
        usage.records = heads.records
        usage.malformed = heads.malformed
        return usage
    }
}

/// Counts what the headers of records say.
private struct HeadCount {
    private(set) var records: [KeyID: Int] = [:]
    private(set) var malformed = 0

    mutating func add(_ key: RawSpan, _ head: RawSpan) {
        guard !Keys.isUnsealed(key) else { return }
        guard let id = try? RecordSealer.keyID(ofHead: head) else {
            malformed += 1
            return
        }
        records[id, default: 0] += 1
    }
}
