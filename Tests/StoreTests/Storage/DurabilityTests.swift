import Foundation
import Store
import Testing

@Suite struct `Durability` {
    /// Rule R8: an acknowledged write survives `kill -9`.
    @Test func `after each of 200 kills every acknowledged write is there, and the file is sound`() throws {
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory)
            var random = SeededRandom(seed: 200)
            var next = 1
            var revision = Revision(rawValue: 0)
            for round in 0..<200 {
                let acknowledged = try acknowledgeAndKill(directory, from: next, &random)
                let store = try SQLiteStorage.open(at: directory)
                try store.check()
                let newest = try store.revision
                try #require(newest >= revision, "round \(round)")
                revision = newest
                next = try verify(store, acknowledged, "round \(round)") + 1
            }
            #expect(next > 200)
        }
    }

    /// - Returns: the number of the last pair that the writer said was durable.
    private func acknowledgeAndKill(_ directory: String, from first: Int, _ random: inout SeededRandom) throws
        -> Int
    {
        let child = try ChildProcess.writer("pairs", directory, "\(first)")
        var last = first - 1
        for _ in 0..<Int.random(in: 0...8, using: &random) {
            last = try #require(child.line().flatMap { Int($0) })
        }
        usleep(UInt32.random(in: 0...3000, using: &random))
        child.kill()
        // Lines that were written before the kill are promises too.
        while let line = child.line() { last = try #require(Int(line)) }
        return last
    }

    /// - Returns: the number of the last pair in the store.
    private func verify(_ store: SQLiteStorage, _ acknowledged: Int, _ place: Comment) throws -> Int {
        var found = max(0, acknowledged - 30)
        while let left = try store.get(RecordKey("pair/left/\(found + 1)")) {
            found += 1
            try #require(left.bytes == pairBytes(found), place)
            // Both of a commit, and its deletion, or none.
            try #require(try store.get(RecordKey("pair/right/\(found)"))?.modified == left.modified, place)
            try #require(try store.get(RecordKey("pair/left/\(found - 50)")) == nil, place)
        }
        try #require(found >= acknowledged, place)
        // One commit may have been under way.
        try #require(found <= acknowledged + 1, place)
        try #require(try store.get(RecordKey("pair/right/\(found + 1)")) == nil, place)
        return found
    }
}
