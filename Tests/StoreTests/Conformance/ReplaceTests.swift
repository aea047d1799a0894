import Store
import Testing

@Suite struct `Replacing records of any engine` {
    private func replacement(_ key: RecordKey, _ text: String, since: Revision) -> Replacement {
        Replacement(key: key, bytes: Array(text.utf8), since: since)
    }

    @Test(arguments: EngineUnderTest.all)
    func `what nobody has put since is exchanged, and the rest is left alone`(_ engine: EngineUnderTest)
        throws
    {
        try engine.withStore { open in
            let store = try open()
            for key in ["a", "b", "c"] as [RecordKey] { try store.put(key, "old") }
            try store.put("b", "newer")
            try store.commit(Transaction(then: [.delete("c")]))
            let count = try store.replace(
                [
                    replacement("a", "new", since: 1), replacement("b", "lost", since: 2),
                    replacement("c", "lost", since: 3), replacement("d", "lost", since: 1),
                    replacement("a", "lost", since: .init(rawValue: .max)),
                ], if: [])
            #expect(count == 1)
            let records = try store.read([.key("a"), .key("b"), .key("c"), .key("d")], at: nil).records
            #expect(records.map { String(decoding: $0.bytes, as: UTF8.self) } == ["new", "newer"])
            #expect(records[0].created == 1 && records[0].modified == 6)
            #expect(records[1].modified == 4)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `it is a revision whose keys are not told`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a")
            try store.put("b")
            #expect(try store.replace([replacement("a", "2", since: 1)], if: []) == 1)
            #expect(try store.revision == 3)
            #expect(try store.changes(since: 1).keys == ["b"])
            let changes = try store.changes(since: 2)
            #expect(changes.revision == 3 && changes.keys.isEmpty)
            #expect(try store.replace([replacement("a", "3", since: 1)], if: []) == 0)
            #expect(try store.replace([], if: []) == 0)
            #expect(try store.revision == 3, "nothing was exchanged")
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `with a condition that does not hold nothing is exchanged`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a", "old")
            try store.put("k")
            let all = [replacement("a", "new", since: 1)]
            #expect(throws: StorageError.conflict("k")) {
                try store.replace(all, if: [.unchanged("k", since: 1)])
            }
            #expect(throws: StorageError.conflict("k")) { try store.replace(all, if: [.absent("k")]) }
            #expect(try store.get("a")?.bytes == Array("old".utf8))
            #expect(try store.revision == 2)
            #expect(try store.replace(all, if: [.unchanged("k", since: 2)]) == 1)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a writer that read before it finds that the record has changed`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a", "old")
            #expect(try store.replace([replacement("a", "new", since: 1)], if: []) == 1)
            #expect(throws: StorageError.conflict("a")) {
                try store.commit(Transaction(if: [.unchanged("a", since: 1)], then: [.put("a", [1])]))
            }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `more replacements than changes are remembered leave the changes of others known`(
        _ engine: EngineUnderTest
    ) throws {
        try engine.withStore { open in
            let store = try open()
            let keys = (0..<2000).map { RecordKey("k/\($0)") }
            try store.commit(Transaction(then: keys.map { .put($0, [0]) }))
            try store.put("other")
            // More keys than a store remembers changes of (131,072).
            for round in 0..<70 {
                let since = round == 0 ? Revision(rawValue: 1) : try store.revision
                let all = keys.map { Replacement(key: $0, bytes: [UInt8(round)], since: since) }
                #expect(try store.replace(all, if: []) == 2000)
            }
            #expect(try store.changes(since: 1).keys == ["other"])
        }
    }
}
