import Foundation
import Store
import Synchronization
import Testing

@Suite struct `Backup of any engine` {
    @Test(arguments: EngineUnderTest.all)
    func `the first keys of a prefix come in order and no more than asked for`(_ engine: EngineUnderTest)
        throws
    {
        try engine.withStore { open in
            let store = try open()
            for key in ["a/2", "a/1", "a/10", "b", "a"] as [RecordKey] { try store.put(key) }
            #expect(try store.keys(of: "a/", limit: 10) == ["a/1", "a/10", "a/2"])
            #expect(try store.keys(of: "a/1", limit: 1) == ["a/1"])
            #expect(try store.keys(of: "a", limit: 0) == [])
            #expect(try store.keys(of: "c", limit: 10) == [])
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `work that is not wanted any more ends`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let bytes = [UInt8](repeating: 1, count: 1_000_000)
            try store.commit(Transaction(then: (0..<6).map { .put(RecordKey("k/\($0)"), bytes) }))
            try withEmptyFile { path in
                #expect(throws: StorageError.cancelled) { try store.backUp(to: path) { _ in false } }
            }
            #expect(try store.count(of: "k/") == 6)
        }
    }
}

@Suite struct `Backup of SQLite` {
    @Test func `a backup holds one revision, whatever is committed while it is made`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            let bytes = [UInt8](repeating: 7, count: 100_000)
            try store.commit(Transaction(then: (0..<200).map { .put(RecordKey("k/\($0)"), bytes) }))
            let other = try SQLiteStorage.open(at: directory)
            let copy = directory + "/copy"
            try FileManager.default.createDirectory(
                atPath: copy, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            let path = copy + "/store.db"
            try Data().write(to: URL(filePath: path))
            let steps = Mutex(0)
            try store.backUp(to: path) { progress in
                // Two commits between two steps: without one transaction around the whole, the copy would start again.
                steps.withLock { $0 += 1 }
                #expect(progress.done <= progress.total)
                #expect(throws: Never.self) {
                    try other.commit(
                        Transaction(then: [.put("k/0", [1]), .delete("k/199"), .put("new", [1])]))
                }
                return true
            }
            #expect((2...20).contains(steps.withLock { $0 }))
            let restored = try SQLiteStorage.open(at: copy)
            try restored.check()
            #expect(try restored.revision == 1)
            #expect(
                try restored.read([.prefix("k/")], at: nil).records.map(\.bytes)
                    == Array(repeating: bytes, count: 200))
            #expect(try restored.count(of: "new") == 0)
        }
    }
}

private func withEmptyFile(_ body: (String) throws -> Void) throws {
    try withTemporaryDirectory { directory in
        try Data().write(to: URL(filePath: directory + "/file"))
        try body(directory + "/file")
    }
}
