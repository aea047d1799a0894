import FoundationEssentials
package import Secrets

/// An open (unsealed) store: algorithms, their secrets and values. All rules about them are here, once,
/// above storage and sealing.
///
/// Every change is one transaction: all of it or nothing, durable when the call returns (R8). Safe to use
/// from many threads and by many processes at once.
package final class SecretStore: Sendable {
    package let storage: any Storage
    let sealer: RecordSealer

    init(storage: any Storage, sealer: RecordSealer) {
        self.storage = storage
        self.sealer = sealer
    }

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
        let (found, secrets, _) = try load(name)
        return (found.value, secrets.map(\.value))
    }

    package func secret(_ secret: EnvironmentName, of name: AlgorithmName) throws(StoreError) -> Secret {
        let (_, secrets, _) = try load(name, only: secret)
        guard let found = secrets.first else { throw .secretMissing(secret, name) }
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

    func load(
        _ name: AlgorithmName, only secret: EnvironmentName? = nil
    ) throws(StoreError) -> (Found<Algorithm>, [Found<Secret>], Revision) {
        let wanted: Selection =
            secret.map { .key(Keys.secret($0, of: name)) } ?? .prefix(Keys.secrets(of: name))
        let selections: [Selection] = [.key(Keys.algorithm(name)), wanted]
        let snapshot = try storing { () throws(StorageError) in try storage.read(selections, at: nil) }
        guard let first = snapshot.records.first, first.key == Keys.algorithm(name) else {
            throw .algorithmMissing(name)
        }
        let algorithm = try decode(first) { bytes throws(RecordFormatError) in
            try Algorithm(name, decoding: bytes)
        }
        var secrets: [Found<Secret>] = []
        for record in snapshot.records.dropFirst() {
            guard let secretName = Keys.secretName(record.key, of: name) else {
                throw .damaged(record: record.key.text)
            }
            let secret = try decode(record) { bytes throws(RecordFormatError) in
                try Secret(secretName, decoding: bytes)
            }
            secrets.append(Found(value: secret, record: record))
        }
        return (Found(value: algorithm, record: first), secrets, snapshot.revision)
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
        do throws(SealError) {
            return try sealer.open(bytes.span, under: key).withBytes { plaintext in
                unsafe [UInt8](unsafeUninitializedCapacity: plaintext.byteCount) { buffer, count in
                    unsafe plaintext.withUnsafeBytes { source in
                        unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
                    }
                    count = plaintext.byteCount
                }
            }
        } catch .newerFormat(let found) {
            throw .newerFormat(record: key.text, found: found)
        } catch {
            throw .damaged(record: key.text)
        }
    }

    func seal(
        metadata: [UInt8], under key: RecordKey, _ random: inout RandomBlock
    ) throws(StoreError) -> [UInt8] {
        do { return try unsafe sealer.seal(metadata.span.bytes, under: key, drawing: &random) } catch {
            throw .sealing(error)
        }
    }

    func seal(
        _ value: SecretValue, under key: RecordKey, _ random: inout RandomBlock
    ) throws(StoreError) -> [UInt8] {
        do {
            return try value.withBytes { bytes throws(SealError) in
                try sealer.seal(bytes, under: key, drawing: &random)
            }
        } catch { throw .sealing(error) }
    }

    func storing<T>(_ body: () throws(StorageError) -> T) throws(StoreError) -> T {
        do { return try body() } catch { throw .storage(error) }
    }

    /// Tries a compare-and-commit until it is not overtaken by another writer.
    ///
    /// - Parameter attempt: reads, then commits; `StoreError.storage(.conflict)` means somebody was first.
    func retrying<T>(_ what: String, _ attempt: () throws(StoreError) -> T) throws(StoreError) -> T {
        for round in 0..<Self.maximumAttempts {
            do {
                return try attempt()
            } catch .storage(.conflict) {
                // Somebody else made progress; stagger, so that many writers do not meet again and again.
                pause(milliseconds: Int.random(in: 0...min(round, 20)))
            }
        }
        throw .lostRace(what)
    }
    private static let maximumAttempts = 100
}
