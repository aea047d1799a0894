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
    /// Four thousand records are a commit of some hundredths of a second: other writers get their turn.
    static let pageLimit = PageLimit(records: 4096, bytes: 4 << 20)

    /// Reads the header of every record.
    package func keyUsage() throws(StoreError) -> KeyUsage {
        try renewKeys()
        let keyring: Keyring
        do { keyring = try keyholder.current.sealer.keyring } catch { throw .sealed }
        var usage = KeyUsage(keyring)
        var last: RecordKey?
        while true {
            let after = last
            let page = try storing { () throws(StorageError) in try storage.page(after: after, Self.pageLimit)
            }
            guard let end = page.records.last else { return usage }
            for record in page.records where !Keys.isUnsealed(record.key) {
                if let id = try? RecordSealer.keyID(of: record.bytes.span) {
                    usage.records[id, default: 0] += 1
                } else {
                    usage.malformed += 1
                }
            }
            last = end.key
        }
    }
}
