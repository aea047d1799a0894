import Store
import Testing

@Suite struct `Pages of any engine` {
    /// All keys, page by page.
    private func walk(_ store: any Storage, _ limit: PageLimit, between: () throws -> Void = {}) throws
        -> [[String]]
    {
        var pages: [[String]] = []
        var last: RecordKey?
        while true {
            let page = try store.page(after: last, limit)
            guard let end = page.records.last else { return pages }
            pages.append(page.records.map(\.key.text))
            last = end.key
            try between()
        }
    }

    @Test(arguments: EngineUnderTest.all, [1, 2, 3, 100])
    func `every record comes once, in the order of keys`(_ engine: EngineUnderTest, records: Int) throws {
        try engine.withStore { open in
            let store = try open()
            #expect(try walk(store, PageLimit(records: records, bytes: 1 << 20)).isEmpty)
            let keys = ["\u{0}", "a", "a\u{0}", "a/b", "b", "k/\u{FF5E}", "k/\u{1F600}", "\u{10FFFF}"]
            try store.commit(Transaction(then: keys.shuffled().map { .put(RecordKey($0), [1]) }))
            let pages = try walk(store, PageLimit(records: records, bytes: 1 << 20))
            #expect(pages.flatMap { $0 } == keys)
            #expect(pages.dropLast().allSatisfy { $0.count == records })
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a page has no more bytes than asked for, and one record at least`(_ engine: EngineUnderTest) throws
    {
        try engine.withStore { open in
            let store = try open()
            for (key, count) in [("a", 10), ("b", 10), ("c", 200), ("d", 0), ("e", 95), ("f", 6)] {
                try store.commit(
                    Transaction(then: [.put(RecordKey(key), [UInt8](repeating: 7, count: count))]))
            }
            let pages = try walk(store, PageLimit(records: 10, bytes: 100))
            #expect(pages == [["a", "b"], ["c"], ["d", "e"], ["f"]])
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a page tells what a read tells, at the revision of the moment`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a", "1")
            try store.put("b", "2")
            try store.put("a", "3")
            let page = try store.page(after: nil, PageLimit(records: 9, bytes: 9))
            #expect(page.revision == 3)
            #expect(page.records == (try store.read([.key("a"), .key("b")], at: nil).records))
            #expect(try store.page(after: "b", PageLimit(records: 9, bytes: 9)).records.isEmpty)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `who goes through all misses nothing that was there all the time`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let (store, writer) = (try open(), try open())
            let keys = (100..<150).map { "k/\($0)" }
            try store.commit(Transaction(then: keys.map { .put(RecordKey($0), [1]) }))
            var round = 0
            let pages = try walk(store, PageLimit(records: 7, bytes: 1000)) {
                round += 1
                try writer.commit(
                    Transaction(then: [
                        .put(RecordKey("k/\(100 + round * 7)x"), [2]), .put("a", [2]),
                        .put(RecordKey("k/\(max(149 - round, 100))"), [3]),
                    ]))
            }
            let found = pages.flatMap { $0 }
            #expect(found.filter { !$0.hasSuffix("x") } == keys)
            #expect(found.contains { $0.hasSuffix("x") }, "what is put before the walk comes there is met")
        }
    }
}
