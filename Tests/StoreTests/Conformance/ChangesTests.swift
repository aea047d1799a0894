import Store
import Testing

@Suite struct `Changes of any engine` {
    @Test(arguments: EngineUnderTest.all)
    func `what was put or deleted since a revision is told, each key once`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.commit(Transaction(then: ["a", "p/1", "p/2", "q"].map { .put(RecordKey($0), [1]) }))
            try store.put("a", "2")
            try store.put("a", "3")
            try store.commit(
                Transaction(then: [.delete("q"), .delete("missing"), .put("b", [1]), .delete("b")]))
            try store.commit(Transaction(then: [.deletePrefix("p/"), .deletePrefix("z/")]))
            let keys: [Revision: Set<RecordKey>] = [
                0: ["a", "b", "p/1", "p/2", "q"], 1: ["a", "b", "p/1", "p/2", "q"],
                3: ["b", "p/1", "p/2", "q"], 4: ["p/1", "p/2"], 5: [],
            ]
            for (since, expected) in keys {
                let changes = try open().changes(since: since)
                #expect(changes.revision == 5)
                #expect(changes.keys == expected, "since \(since)")
            }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `changes since a revision to come are refused`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            try store.put("a")
            #expect(throws: StorageError.futureRevision) { try store.changes(since: 2) }
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a follower that misses nothing keeps a true copy`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let (writer, follower) = (try open(), try open())
            var random = SeededRandom(seed: 7)
            var copy: [RecordKey: [UInt8]] = [:]
            var seen = Revision(rawValue: 0)
            for round in 0..<120 {
                try writer.commit(randomTransaction(&random))
                guard round % 3 == 0 else { continue }
                let changes = try follower.changes(since: seen)
                let snapshot = try follower.read(changes.keys.map { .key($0) }, at: changes.revision)
                for key in changes.keys { copy[key] = nil }
                for record in snapshot.records { copy[record.key] = record.bytes }
                seen = changes.revision
                let all = try writer.read([.prefix("k")], at: nil).records
                #expect(copy == Dictionary(uniqueKeysWithValues: all.map { ($0.key, $0.bytes) }))
            }
        }
    }
}
