import Store
import Testing

@Suite struct `The window of changes` {
    @Test func `the last 4,096 revisions are remembered, older ones are gone`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            for number in 1...4200 { try store.put(RecordKey("k/\(number % 10)")) }
            let oldest = Revision(rawValue: 4200 - 4096)
            #expect(try store.changes(since: oldest).keys.count == 10)
            #expect(throws: StorageError.revisionGone) {
                try store.changes(since: Revision(rawValue: oldest.rawValue - 1))
            }
            try store.check()
        }
    }

    @Test func `keys of very many bytes in one commit are not remembered, and the store goes on`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            // Keys that share nothing with their neighbours.
            let long = String(repeating: "x", count: 980)
            let puts = (0..<20_000).map {
                Transaction.Change.put(RecordKey("\($0 * 7919 % 20_000)\(long)"), [1])
            }
            try store.commit(Transaction(then: puts))
            #expect(throws: StorageError.revisionGone) { try store.changes(since: 0) }
            try store.put("k")
            #expect(try store.changes(since: 1).keys == ["k"])
            try store.check()
        }
    }

    @Test func `commits of very many keys shorten the window, and what is remembered stays whole`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            let count = 20_000
            for number in 0..<9 {
                try store.commit(
                    Transaction(then: (0..<count).map { .put(RecordKey("\(number)/\($0)"), [1]) }))
            }
            #expect(throws: StorageError.revisionGone) { try store.changes(since: 1) }
            #expect(try store.changes(since: 6).keys.count == 3 * count)
            try store.commit(Transaction(then: (0..<9).map { .deletePrefix(RecordKey("\($0)/")) }))
            #expect(throws: StorageError.revisionGone) { try store.changes(since: 9) }
            #expect(try store.changes(since: 10).keys.isEmpty)
            for _ in 0..<200 { try store.put("k") }
            #expect(try store.changes(since: 10).keys == ["k"])
            try store.check()
        }
    }
}
