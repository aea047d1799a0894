import Foundation
import Store
import Testing

@Suite(.serialized) struct `A store in trouble` {
    private static let isRoot = geteuid() == 0

    @Test func `no store is missing, and none is made by looking`() throws {
        try withTemporaryDirectory { directory in
            #expect(throws: StorageError.missing(path: directory + "/store.db")) {
                try SQLiteStorage.open(at: directory)
            }
            #expect(throws: StorageError.missing(path: directory + "/none/store.db")) {
                try SQLiteStorage.open(at: directory + "/none")
            }
            let names = try FileManager.default.contentsOfDirectory(atPath: directory)
            #expect(names.isEmpty)
        }
    }

    @Test(arguments: ["", "not a database", String(repeating: "not a database ", count: 1000)])
    func `a file that is no store is corrupt, and stays as it is`(_ text: String) throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/store.db"
            try Data(text.utf8).write(to: URL(filePath: path))
            expectCorrupt { try SQLiteStorage.open(at: directory) }
            #expect(throws: StorageError.exists(path: path)) { try SQLiteStorage.create(at: directory) }
            #expect(try Data(contentsOf: URL(filePath: path)) == Data(text.utf8))
        }
    }

    @Test func `another program's database is corrupt`() throws {
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory)
            try overwrite(directory + "/store.db", at: 68, with: [0, 0, 0, 1])
            expectCorrupt { try SQLiteStorage.open(at: directory) }
        }
    }

    @Test(arguments: [
        "CREATE TRIGGER t AFTER UPDATE ON record BEGIN UPDATE record SET bytes = old.bytes; END",
        "CREATE VIEW v AS SELECT * FROM record", "CREATE TABLE t(x)", "CREATE INDEX i ON record(bytes)",
    ])
    func `a schema that somebody changed is corrupt`(_ statement: String) throws {
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory)
            try run("/usr/bin/sqlite3", directory + "/store.db", statement)
            expectCorrupt { try SQLiteStorage.open(at: directory) }
        }
    }

    /// A process that ends is worse than an error: the agent serves others.
    @Test(arguments: 1...4) func `whatever is flipped in the file is an error or not a record's business`(
        _ seed: UInt64
    )
        throws
    {
        try withTemporaryDirectory { directory in
            var random = SeededRandom(seed: seed)
            var store: SQLiteStorage? = try SQLiteStorage.create(at: directory)
            let records = (0..<40).map { ("k/\($0)", [UInt8](repeating: UInt8($0), count: 50 + $0)) }
            for (key, bytes) in records {
                try store?.commit(Transaction(then: [.put(RecordKey(key), bytes)]))
            }
            store = nil
            let path = directory + "/store.db"
            let whole = try [UInt8](Data(contentsOf: URL(filePath: path)))
            for _ in 0..<120 {
                var broken = whole
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    let place = Int.random(in: 0..<broken.count, using: &random)
                    broken[place] = UInt8.random(in: 0...255, using: &random)
                }
                try Data(broken).write(to: URL(filePath: path))
                useAll(directory)
                for name in ["-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + name) }
            }
        }
    }

    /// Uses all of the store. What it finds is sealed and checked elsewhere; here it must only not end the process.
    private func useAll(_ directory: String) {
        do {
            let store = try SQLiteStorage.open(at: directory)
            _ = try? store.check()
            _ = try? store.read([.prefix("k/")], at: nil)
            _ = try? store.read([.key("k/7")], at: nil)
            _ = try? store.changes(since: 0)
            _ = try? store.count(of: "k/")
            // Enough commits to trim what is remembered.
            for number in 0..<70 {
                try store.commit(Transaction(then: [.put(RecordKey("k/\(number % 9)"), [1, 2])]))
            }
            try store.commit(Transaction(if: [.absent("k/1")], then: [.deletePrefix("k/")]))
        } catch {}
    }

    @Test func `a record longer than any that we write is corrupt and is not read into memory`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            try store.put("k")
            let statement = "UPDATE record SET bytes = zeroblob(200000000)"
            try run("/usr/bin/sqlite3", directory + "/store.db", statement)
            expectCorrupt { try store.read([.key("k")], at: nil) }
            expectCorrupt { try SQLiteStorage.open(at: directory).read([.prefix("k")], at: nil) }
        }
    }

    @Test func `a newer format is named`() throws {
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory)
            try overwrite(directory + "/store.db", at: 60, with: [0, 0, 0, 7])
            let expected = StorageError.newerFormat(path: directory + "/store.db", found: 7, known: 1)
            #expect(throws: expected) { try SQLiteStorage.open(at: directory) }
        }
    }

    @Test func `damaged pages are corrupt, and never a record`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            let bytes = [UInt8](repeating: 0xA5, count: 300)
            try store.commit(Transaction(then: (0..<500).map { .put(RecordKey("k/\($0)"), bytes) }))
            _ = consume store
            let path = directory + "/store.db"
            let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
            for page in stride(from: 1, to: size / 4096, by: 1) {
                try overwrite(path, at: page * 4096, with: [UInt8](repeating: 0x5A, count: 64))
            }
            expectCorrupt {
                let store = try SQLiteStorage.open(at: directory)
                _ = try store.read([.prefix("k/")], at: nil)
            }
            expectCorrupt { try SQLiteStorage.open(at: directory).check() }
        }
    }

    @Test func `a full disk refuses the commit whole, and works again when there is room`() throws {
        try #require(Self.isRoot, "this test mounts a small disk: run it as root")
        try withSmallDisk { directory in
            let store = try SQLiteStorage.create(at: directory + "/state")
            try store.put("before", "1")
            let filler = directory + "/filler"
            try fill(filler)
            let many = (0..<100).map {
                Transaction.Change.put(RecordKey("big/\($0)"), [UInt8](repeating: 1, count: 40_000))
            }
            #expect(throws: StorageError.full(path: directory + "/state/store.db")) {
                try store.commit(Transaction(then: [.delete("before")] + many))
            }
            #expect(try store.revision == 1)
            #expect(try store.keys("big/").isEmpty)
            #expect(try store.get("before") != nil)
            try FileManager.default.removeItem(atPath: filler)
            #expect(try store.commit(Transaction(then: [.put("after", [1])])) == 2)
            try store.check()
        }
    }

    @Test func `on a full disk no store is half made`() throws {
        try #require(Self.isRoot, "this test mounts a small disk: run it as root")
        try withSmallDisk { directory in
            try FileManager.default.createDirectory(
                atPath: directory + "/state", withIntermediateDirectories: false,
                attributes: [.posixPermissions: 0o700])
            try fill(directory + "/filler")
            let error = #expect(throws: StorageError.self) {
                try SQLiteStorage.create(at: directory + "/state")
            }
            guard case .full = error else { throw Unexpected(error: error) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/state") == [])
            try FileManager.default.removeItem(atPath: directory + "/filler")
            _ = try SQLiteStorage.create(at: directory + "/state")
        }
    }

    @Test func `a store on a read-only disk says so`() throws {
        try #require(Self.isRoot, "this test mounts a directory: run it as root")
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory + "/state")
            try store.put("a")
            try withReadOnlyView(of: directory + "/state") { view in
                let expected = StorageError.readOnly(path: view + "/store.db")
                #expect(throws: expected) { try SQLiteStorage.open(at: view) }
            }
            #expect(throws: StorageError.exists(path: directory + "/state/store.db")) {
                try SQLiteStorage.create(at: directory + "/state")
            }
        }
    }
}

struct Unexpected: Error { let error: (any Error)? }

func expectCorrupt<Result>(_ body: () throws -> Result, sourceLocation: SourceLocation = #_sourceLocation) {
    let error = #expect(throws: StorageError.self, sourceLocation: sourceLocation) { _ = try body() }
    guard case .corrupt(_, let reason) = error else {
        Issue.record("not corrupt: \(String(describing: error))", sourceLocation: sourceLocation)
        return
    }
    #expect(!reason.isEmpty)
}
