import Store
import Testing

/// SplitMix64: the same numbers for the same seed, on every machine.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// What a store must do, small enough to be seen to be right.
struct StoreModel {
    private(set) var records: [RecordKey: StoredRecord] = [:]
    private(set) var log: [(revision: Revision, key: RecordKey)] = []
    private(set) var revision = Revision(rawValue: 0)

    mutating func commit(_ transaction: Transaction) throws(StorageError) -> Revision {
        for condition in transaction.conditions {
            switch condition {
            case .absent(let key): if records[key] != nil { throw .conflict(key) }
            case .unchanged(let key, let since): if records[key]?.modified != since { throw .conflict(key) }
            }
        }
        let next = Revision(rawValue: revision.rawValue + 1)
        var touched: [RecordKey] = []
        for change in transaction.changes {
            switch change {
            case .put(let key, let bytes):
                let created = records[key]?.created ?? next
                records[key] = StoredRecord(key: key, bytes: bytes, created: created, modified: next)
                touched.append(key)
            case .delete(let key): if records.removeValue(forKey: key) != nil { touched.append(key) }
            case .deletePrefix(let prefix):
                for key in records.keys where key.text.utf8.starts(with: prefix.text.utf8) {
                    records[key] = nil
                    touched.append(key)
                }
            }
        }
        if !touched.isEmpty { revision = next }
        log += touched.map { (next, $0) }
        return revision
    }

    mutating func replace(_ replacements: [Replacement]) -> Int {
        let next = Revision(rawValue: revision.rawValue + 1)
        var count = 0
        for replacement in replacements {
            guard let old = records[replacement.key], old.modified == replacement.since else { continue }
            records[old.key] = StoredRecord(
                key: old.key, bytes: replacement.bytes, created: old.created, modified: next)
            count += 1
        }
        if count > 0 { revision = next }
        return count
    }

    func read(_ prefix: RecordKey) -> [StoredRecord] {
        records.values.filter { $0.key.text.utf8.starts(with: prefix.text.utf8) }.sorted { $0.key < $1.key }
    }

    func changes(since: Revision) -> Set<RecordKey> { Set(log.filter { $0.revision > since }.map(\.key)) }
}

/// Few keys, so that they meet often, and prefixes of one another.
func randomKey(_ random: inout SeededRandom) -> RecordKey {
    let parts = [
        "k", "k/", "k/a", "k/a/", "k/a/1", "k/ab", "k/b", "k/b/1", "k/b/2", "k\u{0}", "k\u{10FFFF}", "kk",
    ]
    return RecordKey(parts[Int.random(in: 0..<parts.count, using: &random)])
}

func randomTransaction(_ random: inout SeededRandom) -> Transaction {
    let changes = (0..<Int.random(in: 0...4, using: &random)).map { _ -> Transaction.Change in
        let key = randomKey(&random)
        return switch Int.random(in: 0..<10, using: &random) {
        case 0..<7:
            .put(key, (0..<Int.random(in: 0...40, using: &random)).map { UInt8(truncatingIfNeeded: $0) })
        case 7, 8: .delete(key)
        default: .deletePrefix(key)
        }
    }
    return Transaction(then: changes)
}

@Suite struct `Any engine against a model` {
    @Test(arguments: EngineUnderTest.all, [1, 2, 3, 4] as [UInt64])
    func `random transactions have the model's outcome`(_ engine: EngineUnderTest, seed: UInt64) throws {
        try engine.withStore { open in
            let difference = try firstDifference(between: [try open(), try open()], seed: seed)
            #expect(difference == nil)
        }
    }

    @Test(arguments: EngineUnderTest.all, BrokenStorage.Fault.allCases)
    func `an engine with a fault is noticed`(_ engine: EngineUnderTest, _ fault: BrokenStorage.Fault) throws {
        try engine.withStore { open in
            let broken = BrokenStorage(base: try open(), fault: fault)
            #expect(try firstDifference(between: [broken, broken], seed: 1) != nil)
        }
    }

    /// Makes 200 random transactions in the stores, which show the same data, and in a model.
    ///
    /// - Returns: where they first differ.
    private func firstDifference(between stores: [any Storage], seed: UInt64) throws -> String? {
        var random = SeededRandom(seed: seed)
        var model = StoreModel()
        for round in 0..<200 {
            let store = stores[Int.random(in: 0..<stores.count, using: &random)]
            let transaction = withRandomCondition(randomTransaction(&random), model, &random)
            let expected = Result { () throws(StorageError) in try model.commit(transaction) }
            let outcome = Result { () throws(StorageError) in try store.commit(transaction) }
            let replacements = randomReplacements(model, &random)
            let exchanged = model.replace(replacements)
            guard try store.replace(replacements, if: []) == exchanged else {
                return "seed \(seed), round \(round): replacements"
            }
            let other = stores[Int.random(in: 0..<stores.count, using: &random)]
            let found =
                outcome == expected
                ? try difference(other, model, &random) : "commit: \(outcome), not \(expected)"
            if let found { return "seed \(seed), round \(round): \(found)" }
        }
        return nil
    }

    private func withRandomCondition(
        _ transaction: Transaction, _ model: StoreModel, _ random: inout SeededRandom
    ) -> Transaction {
        var transaction = transaction
        let key = randomKey(&random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: transaction.conditions = [.absent(key)]
        case 1: transaction.conditions = [.unchanged(key, since: model.records[key]?.modified ?? 1)]
        case 2: transaction.conditions = [.unchanged(key, since: model.revision)]
        default: break
        }
        return transaction
    }

    /// Some of records as they are, some as they were once.
    private func randomReplacements(_ model: StoreModel, _ random: inout SeededRandom) -> [Replacement] {
        var seen: Set<RecordKey> = []
        let keys = (0..<Int.random(in: 0...3, using: &random)).map { _ in randomKey(&random) }
        return keys.filter { seen.insert($0).inserted }.map { key in
            let modified = model.records[key]?.modified ?? 1
            let since = Bool.random(using: &random) ? modified : Revision(rawValue: modified.rawValue / 2)
            return Replacement(key: key, bytes: Array(repeating: 9, count: 3), since: since)
        }
    }

    private func difference(
        _ store: any Storage, _ model: StoreModel, _ random: inout SeededRandom
    ) throws -> String? {
        let key = randomKey(&random)
        let snapshot = try store.read([.prefix(key), .key(key)], at: nil)
        let expected = model.read(key) + [model.records[key]].compactMap { $0 }
        guard snapshot.records == expected else {
            return "records of \(key): \(snapshot.records), not \(expected)"
        }
        guard snapshot.revision == model.revision else {
            return "revision \(snapshot.revision), not \(model.revision)"
        }
        guard try store.count(of: key) == model.read(key).count else { return "count of \(key)" }
        let limit = PageLimit(
            records: Int.random(in: 1...5, using: &random), bytes: Int.random(in: 1...100, using: &random))
        let all = model.records.values.sorted { $0.key < $1.key }
        guard try walk(store, limit).flatMap(\.records).sorted(by: { $0.key < $1.key }) == all else {
            return "pages of \(limit)"
        }
        let count = Int.random(in: 1...50, using: &random)
        guard
            try heads(store, count) == all.map({ [Array($0.key.text.utf8), Array($0.bytes.prefix(count))] })
        else { return "heads of \(count) bytes" }
        let since = Revision(rawValue: UInt64.random(in: 0...model.revision.rawValue, using: &random))
        guard try store.changes(since: since).keys == model.changes(since: since) else {
            return "changes since \(since)"
        }
        return nil
    }
}
