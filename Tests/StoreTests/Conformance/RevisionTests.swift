import Store
import Testing

@Suite struct `Revisions of any engine` {
    @Test(arguments: EngineUnderTest.all)
    func `an empty store is at revision 0 and holds nothing`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            #expect(try store.revision == 0)
            #expect(try store.read([.key("a"), .prefix("a")], at: nil).records.isEmpty)
            #expect(try store.count(of: "a") == 0)
            #expect(try store.changes(since: 0).keys.isEmpty)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `each commit that changes something makes the next revision`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            #expect(try store.put("a", "1") == 1)
            #expect(try store.put("a", "1") == 2)
            #expect(try store.commit(Transaction(then: [.delete("a")])) == 3)
            #expect(try open().revision == 3)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `nothing to change makes no revision`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a")
            #expect(try store.commit(Transaction(then: [])) == 1)
            #expect(try store.commit(Transaction(then: [.delete("b"), .deletePrefix("c")])) == 1)
            #expect(try store.commit(Transaction(if: [.absent("b")], then: [])) == 1)
            #expect(try store.revision == 1)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a record knows the commits that created it and last put it`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a", "1")
            try store.put("b")
            try store.put("a", "2")
            let bytes = Array("2".utf8)
            #expect(try store.get("a") == StoredRecord(key: "a", bytes: bytes, created: 1, modified: 3))
            try store.commit(Transaction(then: [.delete("a")]))
            try store.put("a", "2")
            #expect(try store.get("a") == StoredRecord(key: "a", bytes: bytes, created: 5, modified: 5))
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `the newest revision can be named, one to come cannot`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a")
            #expect(try store.read([.key("a")], at: 1).records.count == 1)
            #expect(throws: StorageError.futureRevision) { try store.read([.key("a")], at: 2) }
            let last = Revision(rawValue: .max)
            #expect(throws: StorageError.futureRevision) { try store.read([.key("a")], at: last) }
            #expect(throws: StorageError.futureRevision) { try store.changes(since: last) }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `an old revision is read as it was, or gone, never mixed`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a", "old")
            try store.put("a", "new")
            do {
                let snapshot = try store.read([.key("a")], at: 1)
                #expect(snapshot.revision == 1)
                #expect(snapshot.records.map(\.bytes) == [Array("old".utf8)])
            } catch let error as StorageError {
                #expect(error == .revisionGone)
            }
        }
    }
}
