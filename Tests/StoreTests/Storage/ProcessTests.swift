import Foundation
import Store
import Testing

@Suite(.serialized) struct `A store and two processes` {
    @Test func `of eight processes that create a store, one succeeds`() throws {
        try withTemporaryDirectory { directory in
            for round in 0..<5 {
                let place = "\(directory)/\(round)"
                let children = try (0..<8).map { _ in try ChildProcess.writer("create", place) }
                let outcomes = children.map { $0.finish().lines.joined() }
                #expect(outcomes.sorted() == ["created"] + Array(repeating: "exists", count: 7))
                #expect(try SQLiteStorage.open(at: place).revision == 0)
                let names = try FileManager.default.contentsOfDirectory(atPath: place)
                #expect(names.allSatisfy { $0.hasPrefix("store.db") }, "\(names)")
            }
        }
    }

    @Test func `four processes that compare and swap lose no update`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            let children = try (0..<4).map { _ in try ChildProcess.writer("increment", directory, "50") }
            for child in children {
                let (lines, status) = child.finish()
                #expect(status == 0, "\(lines)")
            }
            #expect(try store.get("counter")?.bytes == Array("200".utf8))
            #expect(try store.revision == 200)
        }
    }

    @Test func `a commit of another process is told`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            let told = Told()
            let watch = try store.watch { told.hear($0) }
            defer { watch.cancel() }
            for round in 1...3 {
                let (lines, status) = try ChildProcess.writer("once", directory, "\(round)").finish()
                #expect(status == 0 && lines == ["\(round)"])
                #expect(told.waits(for: Revision(rawValue: UInt64(round))))
            }
        }
    }

    @Test func `a writer that is killed in the middle of its work leaves the watch awake`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            let told = Told()
            let watch = try store.watch { told.hear($0) }
            defer { watch.cancel() }
            for _ in 0..<5 {
                let child = try ChildProcess.writer("pairs", directory, "1")
                for _ in 0..<20 { _ = child.line() }
                child.kill()
                #expect(told.waits(for: try store.put("after")))
            }
        }
    }

    @Test func `a store opens and reads while another process writes and checkpoints`() throws {
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory)
            let child = try ChildProcess.writer("pairs", directory, "1")
            defer { child.kill() }
            for round in 1...200 {
                // Each round of the writer adds pages; the log is moved into the file after each 1,000.
                #expect(child.line() == "\(round)")
                let store = try SQLiteStorage.open(at: directory)
                #expect(try store.get(RecordKey("pair/right/\(round)"))?.bytes == pairBytes(round))
            }
        }
    }
}

/// What the writer puts in its round `number`.
func pairBytes(_ number: Int) -> [UInt8] {
    (0..<(number % 7 == 0 ? 5000 : 100 + number % 300)).map { UInt8(truncatingIfNeeded: number &+ $0) }
}
