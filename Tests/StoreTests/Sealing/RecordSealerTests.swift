import Foundation
import Secrets
import Store
import Testing

/// A flipped bit, a swapped record, a record under another key is an error and never a value.
@Suite struct `Sealed records` {
    let sealer: RecordSealer
    let text = Array("twenty bytes exactly".utf8)

    init() throws { sealer = RecordSealer(try Keyring.create()) }

    @Test(arguments: [0, 1, 15, 16, 17, 255, 4096, 131_072, 1_048_576])
    func `a record opens to the bytes that were sealed`(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 197) }
        let record = try sealer.seal(bytes, "s/1")
        #expect(RecordSealer.plaintextCount(of: record.span) == count)
        #expect(try sealer.open(record, "s/1") == bytes)
    }

    @Test func `every flipped bit of a record is an error`() throws {
        let record = try sealer.seal(text, "s/1")
        for index in record.indices {
            for bit in 0..<8 {
                var changed = record
                changed[index] ^= 1 << bit
                let error = #expect(throws: SealError.self) { try sealer.open(changed, "s/1") }
                switch index {
                case 0: #expect(error == (changed[0] == 0 ? .malformed : .newerFormat(Int(changed[0]))))
                case 1...4: #expect(error == .unknownKey(try RecordSealer.keyID(of: changed.span)))
                default: #expect(error == .damaged)
                }
            }
        }
    }

    @Test func `every truncation and every extension of a record is an error`() throws {
        let record = try sealer.seal(text, "s/1")
        for count in record.indices {
            let error = #expect(throws: SealError.self) { try sealer.open(Array(record[..<count]), "s/1") }
            #expect(error == (count < RecordSealer.overhead ? .malformed : .damaged))
        }
        #expect(throws: SealError.damaged) { try sealer.open(record + [0], "s/1") }
        #expect(throws: SealError.malformed) { try sealer.open([], "s/1") }
    }

    /// An empty value needs no memory; its tag must be looked at all the same.
    @Test func `a forged record of an empty value is an error`() throws {
        let empty = try sealer.seal([], "s/1")
        for index in 5..<empty.count {
            var changed = empty
            changed[index] ^= 0x80
            #expect(throws: SealError.damaged) { try sealer.open(changed, "s/1") }
            var output = OutputRawSpan()
            #expect(throws: SealError.damaged) {
                try sealer.open(changed.span, under: RecordKey("s/1"), into: &output)
            }
        }
        #expect(throws: SealError.damaged) { try sealer.open(empty, "s/2") }
        #expect(try sealer.open(empty, "s/1") == [])
    }

    @Test(arguments: ["s/2", "s/", "s/1/", "S/1", "s/1\u{0}", "t"])
    func `a record under another key is an error`(_ other: String) throws {
        let record = try sealer.seal(text, "s/1")
        #expect(throws: SealError.damaged) { try sealer.open(record, other) }
    }

    @Test func `swapped records are errors`() throws {
        let (first, second) = (try sealer.seal(text, "s/1"), try sealer.seal(text, "s/2"))
        #expect(throws: SealError.damaged) { try sealer.open(first, "s/2") }
        #expect(throws: SealError.damaged) { try sealer.open(second, "s/1") }
    }

    @Test func `a record of another store is an error`() throws {
        let record = try sealer.seal(text, "s/1")
        let other = RecordSealer(try Keyring.create())
        #expect(throws: SealError.unknownKey(try RecordSealer.keyID(of: record.span))) {
            try other.open(record, "s/1")
        }
    }

    @Test func `sealing the same bytes twice gives different records`() throws {
        var seen: Set<[UInt8]> = []
        for _ in 0..<1000 { seen.insert(Array(try sealer.seal([], "s/1")[5..<29])) }
        #expect(seen.count == 1000)
        let (first, second) = (try sealer.seal(text, "s/1"), try sealer.seal(text, "s/1"))
        #expect(first[5...] != second[5...] && first[29..<49] != second[29..<49])
    }

    @Test func `records stay readable over rotations and are sealed by the newest key`() throws {
        let old = try sealer.seal(text, "s/1")
        let rotated = RecordSealer(try sealer.keyring.rotated())
        let new = try rotated.seal(text, "s/1")
        #expect(try rotated.open(old, "s/1") == text && rotated.open(new, "s/1") == text)
        #expect(try !rotated.isCurrent(old.span) && rotated.isCurrent(new.span))
        #expect(throws: SealError.unknownKey(rotated.keyring.active.id)) { try sealer.open(new, "s/1") }
    }

    @Test func `eight threads seal and open at once`() throws {
        let text = text
        let sealer = sealer
        let shared = try sealer.seal(text, "shared")
        nonisolated(unsafe) let wrong = UnsafeMutablePointer<Int>.allocate(capacity: 8)
        wrong.initialize(repeating: 0, count: 8)
        defer { wrong.deallocate() }
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for round in 0..<1000 {
                let key = "s/\(thread)/\(round)"
                let mine = Array("\(thread) \(round)".utf8)
                let opened = try? sealer.open(sealer.seal(mine, key), key)
                let common = try? sealer.open(shared, "shared")
                let refused = try? sealer.open(shared, key)
                if opened != mine || common != text || refused != nil { wrong[thread] += 1 }
            }
        }
        #expect((0..<8).map { wrong[$0] } == Array(repeating: 0, count: 8))
    }

    @Test func `no error says anything of the data`() throws {
        let record = try sealer.seal(Array("hunter2".utf8), "s/1")
        let error = #expect(throws: SealError.self) {
            try sealer.open(record.dropLast() + [0], "s/other-name")
        }
        let text = "\(error?.description ?? "") \(error?.hint ?? "") \(String(reflecting: error))"
        #expect(!text.contains("hunter2") && !text.contains("s/1"))
    }
}
