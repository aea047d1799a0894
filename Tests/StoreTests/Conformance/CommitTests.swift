import Store
import Testing

@Suite struct `Commits of any engine` {
    @Test(arguments: EngineUnderTest.all, [0, 1, 255, 4096, 1_048_700])
    func `bytes come back exactly`(_ engine: EngineUnderTest, _ count: Int) throws {
        try engine.withStore { open in
            let store = try open()
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try store.commit(Transaction(then: [.put("a", bytes)]))
            #expect(try store.get("a")?.bytes == bytes)
            #expect(try open().get("a")?.bytes == bytes)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `changes are made in order`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.commit(
                Transaction(then: [
                    .put("a/1", [1]), .put("a/1", [2]), .put("a/2", [1]), .delete("a/2"), .put("a/3", [1]),
                    .deletePrefix("a/3"), .put("a/3", [3]),
                ]))
            let records = try store.read([.prefix("a/")], at: nil).records
            #expect(records.map(\.key.text) == ["a/1", "a/3"])
            #expect(records.map(\.bytes) == [[2], [3]])
            #expect(try store.revision == 1)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `conditions that hold let a commit through`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.commit(Transaction(if: [.absent("a")], then: [.put("a", [1])]))
            let next = Transaction(if: [.unchanged("a", since: 1), .absent("b")], then: [.put("b", [2])])
            #expect(try store.commit(next) == 2)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `the first condition that does not hold is named, and nothing is changed`(_ engine: EngineUnderTest)
        throws
    {
        try engine.withStore { open in
            let store = try open()
            try store.put("a", "1")
            try store.put("b", "1")
            try store.put("a", "2")
            let refused: [([Transaction.Condition], RecordKey)] = [
                ([.absent("c"), .absent("a"), .absent("b")], "a"),
                ([.unchanged("b", since: 2), .unchanged("a", since: 1)], "a"),
                ([.unchanged("a", since: 4)], "a"),
                ([.unchanged("c", since: 0)], "c"),
                ([.unchanged("b", since: Revision(rawValue: .max))], "b"),
            ]
            for (conditions, key) in refused {
                #expect(throws: StorageError.conflict(key)) {
                    try store.commit(
                        Transaction(if: conditions, then: [.put("d", [9]), .deletePrefix("a"), .delete("b")]))
                }
            }
            #expect(try store.revision == 3)
            #expect(try store.keys("d").isEmpty)
            #expect(try store.get("a")?.bytes == Array("2".utf8))
            #expect(try store.changes(since: 3).keys.isEmpty)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `the first condition that does not hold is named, also when its key is put`(
        _ engine: EngineUnderTest
    ) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("b", "1")
            let refused: [([Transaction.Condition], RecordKey)] = [
                ([.absent("a"), .absent("b"), .absent("c")], "b"),
                ([.absent("c"), .absent("b"), .absent("a")], "b"),
                ([.absent("a"), .absent("b"), .unchanged("x", since: 1)], "b"),
                ([.absent("a"), .unchanged("x", since: 1), .absent("b")], "x"),
                ([.unchanged("b", since: 1), .absent("d"), .unchanged("b", since: 2)], "b"),
            ]
            for (conditions, key) in refused {
                #expect(throws: StorageError.conflict(key)) {
                    try store.commit(
                        Transaction(if: conditions, then: ["a", "b", "c"].map { .put(RecordKey($0), [2]) }))
                }
            }
            #expect(try store.revision == 1)
            #expect(try store.keys("a").isEmpty && store.keys("c").isEmpty)
            #expect(try store.get("b")?.modified == 1)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `of two puts of a key that must be absent the last one counts`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let twice: [Transaction.Change] = [.put("a", [1]), .put("b", [1]), .put("a", [2])]
            try store.commit(Transaction(if: [.absent("b"), .absent("a")], then: twice))
            #expect(try store.get("a")?.bytes == [2])
            #expect(try store.get("a")?.created == 1)
            #expect(try store.changes(since: 0).keys == ["a", "b"])
            try store.commit(Transaction(then: [.delete("b")]))
            for conditions: [Transaction.Condition] in [[.absent("a")], [.absent("b"), .absent("a")]] {
                #expect(throws: StorageError.conflict("a")) {
                    try store.commit(Transaction(if: conditions, then: twice))
                }
            }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a condition sees what another instance has committed`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let (one, other) = (try open(), try open())
            try one.put("a", "1")
            #expect(throws: StorageError.conflict("a")) {
                try other.commit(Transaction(if: [.absent("a")], then: [.put("a", [2])]))
            }
            try other.put("a", "2")
            #expect(throws: StorageError.conflict("a")) {
                try one.commit(Transaction(if: [.unchanged("a", since: 1)], then: [.delete("a")]))
            }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `eight committers that compare and swap lose no update`(_ engine: EngineUnderTest) throws {
        let rounds = 25
        try engine.withStore { open in
            try open().put("counter", "0")
            let stores = try (0..<8).map { _ in try open() }
            try inParallel(stores) { store in
                for _ in 0..<rounds { try increment("counter", in: store) }
            }
            #expect(try open().get("counter")?.bytes == Array(String(8 * rounds).utf8))
            #expect(try open().revision == Revision(rawValue: UInt64(8 * rounds + 1)))
        }
    }

    private func increment(_ key: RecordKey, in store: any Storage) throws {
        while true {
            let record = try #require(try store.get(key))
            let number = try #require(Int(String(decoding: record.bytes, as: UTF8.self)))
            do {
                try store.commit(
                    Transaction(
                        if: [.unchanged(key, since: record.modified)],
                        then: [.put(key, Array(String(number + 1).utf8))]))
                return
            } catch {
                guard case .conflict = error else { throw error }
            }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a reader sees all of a commit or none of it`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let keys = (0..<20).map { RecordKey("set/\($0)") }
            let write: @Sendable (any Storage, UInt8) throws -> Void = { store, value in
                try store.commit(Transaction(then: keys.map { .put($0, [value]) }))
            }
            try write(open(), 0)
            let stores = try (0..<3).map { _ in try open() }
            try inParallel(Array(stores.indices)) { index in
                let store = stores[index]
                for round in 1...60 {
                    if index == 0 { try write(store, UInt8(round)) }
                    let records = try store.read([.prefix("set/")], at: nil).records
                    #expect(records.count == keys.count)
                    #expect(Set(records.map(\.bytes)).count == 1)
                    #expect(Set(records.map(\.modified)).count == 1)
                }
            }
        }
    }
}
