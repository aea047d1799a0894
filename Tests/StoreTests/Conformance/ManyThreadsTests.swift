import Foundation
import Store
import Synchronization
import Testing

/// Threads of one process that use one instance at the same moment: they share a commit's fsync, and may read on
/// connections of their own. Nothing of that may show.
@Suite struct `Many threads with one engine` {
    private static let threads = 12
    private static let rounds = 40

    @Test(arguments: EngineUnderTest.all)
    func `commits of one moment are revisions of their own`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let storage = try open()
            let revisions = Mutex<[Revision]>([])
            try inParallel(Array(0..<Self.threads)) { thread in
                for round in 0..<Self.rounds {
                    let new = try storage.put(RecordKey("own/\(thread)/\(round)"))
                    revisions.withLock { $0.append(new) }
                }
            }
            let all = revisions.withLock { $0 }
            #expect(Set(all).count == Self.threads * Self.rounds)
            #expect(try storage.revision == all.max())
            for record in try storage.read([.prefix("own/")], at: nil).records {
                #expect(record.created == record.modified && all.contains(record.created))
            }
            #expect(try open().keys("own/").count == Self.threads * Self.rounds)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `of commits of one moment, only those fail whose own condition does not hold`(
        _ engine: EngineUnderTest
    ) throws {
        try engine.withStore { open in
            let storage = try open()
            try storage.put("shared", "0")
            let conflicts = Atomic(0)
            try inParallel(Array(0..<Self.threads)) { thread in
                for round in 0..<Self.rounds {
                    // Has no condition, so nothing of the others can make it fail.
                    try storage.put(RecordKey("own/\(thread)/\(round)"))
                    while true {
                        let record = try #require(try storage.get("shared"))
                        let number = try #require(Int(String(decoding: record.bytes, as: UTF8.self)))
                        let next = Array("\(number + 1)".utf8)
                        do {
                            try storage.commit(
                                Transaction(
                                    if: [.unchanged("shared", since: record.modified)],
                                    then: [
                                        .put(RecordKey("half/\(thread)/\(round)/\(number)"), [1]),
                                        .put("shared", next),
                                    ]))
                            break
                        } catch StorageError.conflict("shared") {
                            conflicts.add(1, ordering: .relaxed)
                        }
                    }
                }
            }
            let count = Self.threads * Self.rounds
            #expect(try storage.get("shared")?.bytes == Array("\(count)".utf8))
            // Of a commit that was refused nothing is left.
            #expect(try storage.keys("half/").count == count)
            #expect(try storage.keys("own/").count == count)
            let met = conflicts.load(ordering: .relaxed)
            #expect(met > 0, "nobody met anybody")
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `who reads sees what was committed before, on whatever connection`(
        _ engine: EngineUnderTest
    ) throws {
        try engine.withStore { open in
            let storage = try open()
            storage.allowReaders(3)
            try inParallel(Array(0..<Self.threads)) { thread in
                let key = RecordKey("own/\(thread)")
                for round in 0..<Self.rounds {
                    let new = try storage.put(key, "\(round)")
                    #expect(try storage.get(key)?.bytes == Array("\(round)".utf8))
                    #expect(try storage.revision >= new)
                    #expect(try storage.changes(since: 0).keys.contains(key))
                }
            }
            #expect(try storage.count(of: "own/") == Self.threads)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `what one thread reads at one moment belongs together, while others write`(
        _ engine: EngineUnderTest
    ) throws {
        try engine.withStore { open in
            let storage = try open()
            storage.allowReaders(2)
            try storage.put("left", "0")
            try storage.put("right", "0")
            let isDone = Atomic(false)
            try inParallel(Array(0..<4)) { thread in
                guard thread > 0 else {
                    for round in 1...300 {
                        let bytes = Array("\(round)".utf8)
                        try storage.commit(
                            Transaction(if: [], then: [.put("left", bytes), .put("right", bytes)]))
                    }
                    isDone.store(true, ordering: .releasing)
                    return
                }
                // Of three threads one finds no reader of its own, and reads as ever.
                while !isDone.load(ordering: .acquiring) {
                    try storage.atOneMoment {
                        let first = try storage.revision
                        let (left, right) = (try storage.get("left")?.bytes, try storage.get("right")?.bytes)
                        let second = try storage.revision
                        #expect(first != second || left == right)
                        // Within each other they are the same moment.
                        let inner = try storage.atOneMoment { try storage.revision }
                        #expect(inner >= second)
                    }
                }
            }
            #expect(try storage.get("left")?.bytes == Array("300".utf8))
        }
    }

    @Test func `in SQLite a moment is one transaction, and ends with it`() throws {
        try EngineUnderTest.sqlite.withStore { open in
            let storage = try open()
            storage.allowReaders(1)
            try storage.put("a", "1")
            struct Expected: Error {}
            for isThrown in [false, true] {
                let before = try storage.revision
                do {
                    try storage.atOneMoment {
                        let first = try storage.revision
                        try storage.put("a", "2")
                        let second = try storage.revision
                        #expect(first == before)
                        #expect(second == before)
                        if isThrown { throw Expected() }
                    }
                } catch is Expected {}
                let after = try storage.revision
                #expect(after > before)
            }
        }
    }

    @Test func `a shared turn answers each with its own, and takes no more at once than it may`() throws {
        let turn = SharedTurn<Int, Int>(atMost: 4)
        let most = Mutex(0)
        let isTaken = Atomic(false)
        try inParallel(Array(0..<16)) { thread in
            for round in 0..<200 {
                let asked = thread * 1000 + round
                let answer = turn.take(asked) { requests in
                    let isSecond = isTaken.exchange(true, ordering: .acquiringAndReleasing)
                    #expect(!isSecond, "twice at once")
                    most.withLock { $0 = max($0, requests.count) }
                    usleep(50)
                    isTaken.store(false, ordering: .releasing)
                    return requests.map { $0 * 2 }
                }
                #expect(answer == asked * 2)
            }
        }
        #expect((2...4).contains(most.withLock { $0 }), "nobody shared a turn, or too many did")
    }
}
