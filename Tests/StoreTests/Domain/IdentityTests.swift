import Foundation
import Testing

@testable import Store

@Suite struct `Identities of secrets` {
    @Test func `are random UUIDs of version 4, each once, in descending order`() throws {
        var random = RandomBlock()
        let ids = try UUID.random(1000, drawing: &random)
        #expect(Set(ids).count == 1000)
        #expect(ids == ids.sorted(by: >))
        for id in ids {
            #expect(id.uuid.6 >> 4 == 4)
            #expect(id.uuid.8 >> 6 == 2)
            #expect(id.lowercaseText == id.uuidString.lowercased())
        }
        // Every other bit takes both values.
        for place in 0..<16 where place != 6 && place != 8 {
            let bytes = ids.map { id in withUnsafeBytes(of: id.uuid) { $0[place] } }
            #expect(bytes.reduce(0, |) == 0xFF && bytes.reduce(0xFF, &) == 0)
        }
    }
}
