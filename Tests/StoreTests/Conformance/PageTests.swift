import Store
import Testing

/// All records, page by page.
func walk(_ store: any Storage, _ limit: PageLimit, between: () throws -> Void = {}) throws -> [Page] {
    var pages: [Page] = []
    while true {
        let page = try store.page(after: pages.last?.end, limit)
        guard page.end != nil else {
            #expect(page.records.isEmpty)
            return pages
        }
        #expect(!page.records.isEmpty)
        pages.append(page)
        try between()
    }
}

/// Key and first bytes of each record, in the order of keys.
func heads(_ store: any Storage, _ count: Int) throws -> [[[UInt8]]] {
    var heads: [[[UInt8]]] = []
    try store.forEachHead(count) { key, head in
        heads.append([key.withUnsafeBytes { [UInt8]($0) }, head.withUnsafeBytes { [UInt8]($0) }])
    }
    return heads.sorted { $0[0].lexicographicallyPrecedes($1[0]) }
}

@Suite struct `Pages of any engine` {
    @Test(arguments: EngineUnderTest.all, [1, 2, 3, 100])
    func `every record comes once`(_ engine: EngineUnderTest, records: Int) throws {
        try engine.withStore { open in
            let store = try open()
            #expect(try walk(store, PageLimit(records: records, bytes: 1 << 20)).isEmpty)
            let keys = ["\u{0}", "a", "a\u{0}", "a/b", "b", "k/\u{FF5E}", "k/\u{1F600}", "\u{10FFFF}"]
            try store.commit(Transaction(then: keys.shuffled().map { .put(RecordKey($0), [1]) }))
            let pages = try walk(store, PageLimit(records: records, bytes: 1 << 20))
            #expect(pages.flatMap(\.records).map(\.key.text).sorted() == keys.sorted())
            #expect(pages.dropLast().allSatisfy { $0.records.count == records })
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `the heads of all records are those of one moment`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            #expect(try heads(store, 3).isEmpty)
            try store.put("b", "12345")
            try store.put("a", "12")
            try store.put("c", "")
            let expected = [("a", "12"), ("b", "123"), ("c", "")].map { [Array($0.utf8), Array($1.utf8)] }
            #expect(try heads(store, 3) == expected)
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
            #expect(pages.flatMap(\.records).count == 6)
            for page in pages {
                let bytes = page.records.reduce(0) { $0 + $1.bytes.count }
                #expect(bytes <= 100 || page.records.map(\.key) == ["c"])
            }
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
            let records = page.records.sorted { $0.key < $1.key }
            #expect(records == (try store.read([.key("a"), .key("b")], at: nil).records))
            let last = try store.page(after: page.end, PageLimit(records: 9, bytes: 9))
            #expect(last.records.isEmpty && last.end == nil)
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
                guard round < 50 else { return }
                try writer.commit(
                    Transaction(then: [
                        .put(RecordKey("k/\(100 + round)x"), [2]), .put("a", [2]), .delete("b"),
                        .put(RecordKey("k/\(max(149 - round, 100))"), [3]),
                    ]))
                try writer.put("b", "\(round)")
            }
            let found = pages.flatMap(\.records).map(\.key.text).filter { keys.contains($0) }
            #expect(found.sorted() == keys, "each once")
        }
    }
}
