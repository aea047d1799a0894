import Store
import Testing

@Suite struct `Prefixes of any engine` {
    @Test(arguments: EngineUnderTest.all)
    func `a prefix selects the keys that start with its bytes, itself included`(_ engine: EngineUnderTest)
        throws
    {
        try engine.withStore { open in
            let store = try open()
            for key in ["a", "a/", "a/b", "a/b/c", "a/bc", "a0", "b", "A/b"] { try store.put(RecordKey(key)) }
            #expect(try store.keys("a/b") == ["a/b", "a/b/c", "a/bc"])
            #expect(try store.keys("a/") == ["a/", "a/b", "a/b/c", "a/bc"])
            #expect(try store.keys("a") == ["a", "a/", "a/b", "a/b/c", "a/bc", "a0"])
            #expect(try store.keys("c").isEmpty)
            #expect(try store.keys("a/b/c/d").isEmpty)
            #expect(try store.count(of: "a/b") == 3)
            #expect(try store.count(of: "c") == 0)
            try store.commit(Transaction(then: [.deletePrefix("a/b")]))
            #expect(try store.keys("a") == ["a", "a/", "a0"])
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `keys at the ends of UTF-8 are keys like others`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let last = "\u{10FFFF}"
            for key in ["\u{0}", "\u{0}\u{0}", "a\u{0}", "a\u{0}b", "\u{7F}", "\u{80}", last, last + last] {
                try store.put(RecordKey(key), key)
            }
            #expect(try store.keys(RecordKey(last)) == [last, last + last])
            #expect(try store.keys("\u{0}") == ["\u{0}", "\u{0}\u{0}"])
            #expect(try store.keys("a\u{0}") == ["a\u{0}", "a\u{0}b"])
            #expect(try store.keys("\u{7F}") == ["\u{7F}"])
            #expect(try store.get("a\u{0}b")?.bytes == Array("a\u{0}b".utf8))
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `two spellings of one character are two keys`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("\u{E9}", "one code point")
            try store.put("e\u{301}", "two code points")
            #expect(try store.get("\u{E9}")?.bytes == Array("one code point".utf8))
            #expect(try store.count(of: "e") == 1)
            #expect(try store.changes(since: 0).keys.count == 2)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `records of a prefix come in the order of their bytes`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            // Code points over U+FFFF sort last by bytes, but not by UTF-16.
            let keys = ["k/\u{FF5E}", "k/\u{1F600}", "k/a", "k/B", "k/10", "k/9", "k/é", "k/a/b", "k/a-b"]
            try store.commit(Transaction(then: keys.map { .put(RecordKey($0), [1]) }))
            let sorted = keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            #expect(try store.keys("k/") == sorted)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `records come in the order of the selections`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.commit(Transaction(then: ["a", "b/1", "b/2", "c"].map { .put(RecordKey($0), [1]) }))
            let snapshot = try store.read(
                [.key("c"), .prefix("b/"), .key("missing"), .key("a"), .key("c")], at: nil)
            #expect(snapshot.records.map(\.key.text) == ["c", "b/1", "b/2", "a", "c"])
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a key may have 1,024 bytes`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let key = RecordKey(String(repeating: "k", count: RecordKey.maximumCount))
            try store.put(key)
            #expect(try store.get(key) != nil)
            #expect(try store.read([.prefix(key)], at: nil).records.count == 1)
        }
    }
}
