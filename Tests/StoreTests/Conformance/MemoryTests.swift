import Foundation
import Store
import Testing

@Suite(.serialized) struct `Memory of any engine` {
    @Test(arguments: EngineUnderTest.all)
    func `reading 10,000 records again and again keeps none of them`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            // 10,000 records of 1,000 bytes: ten rounds that each kept them would take 100 MB.
            let bytes = [UInt8](repeating: 7, count: 1000)
            try store.commit(Transaction(then: (0..<10_000).map { .put(RecordKey("k/\($0)"), bytes) }))
            for _ in 0..<3 { #expect(try store.read([.prefix("k/")], at: nil).records.count == 10_000) }
            let before = try residentBytes()
            for _ in 0..<10 {
                #expect(try store.read([.prefix("k/")], at: nil).records.count == 10_000)
                #expect(try store.changes(since: 0).keys.count == 10_000)
            }
            // Other tests run in this process, too.
            #expect(try residentBytes() - before < 60_000_000)
        }
    }

    private func residentBytes() throws -> Int {
        let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
        return try #require(Int(text.split(separator: " ")[1])) * 4096
    }
}
