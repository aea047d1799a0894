import Testing

@testable import Store

/// > order and repetition mean nothing. — docs/FORMAT.md#store-file
@Suite struct `The keys of a change` {
    private static let keys: [RecordKey] = [
        "secret/a/b/K1", "secret/a/b/K2", "secret/a/b/K", "é", "value/x", "é",
    ]
    .map { RecordKey($0) }

    private func decoded(_ bytes: [UInt8], count: Int64) -> Set<RecordKey>? {
        var keys: Set<RecordKey> = []
        let isWhole = ChangedKeys.decode(bytes, count: count) { key in
            keys.insert(key)
            return true
        }
        return isWhole == true ? keys : nil
    }

    @Test func `come back as they were written`() {
        let written = ChangedKeys(Self.keys)
        #expect(written.count == 6)
        #expect(decoded(written.bytes, count: 6) == Set(Self.keys))
        #expect(decoded([], count: 0) == [])
    }

    @Test func `share what they have in common`() {
        #expect(ChangedKeys(Array(Self.keys[..<2])).bytes.count == 22)
    }

    @Test func `are damaged when cut anywhere`() {
        let bytes = ChangedKeys(Self.keys).bytes
        for count in bytes.indices { #expect(decoded(Array(bytes[..<count]), count: 6) == nil) }
        #expect(decoded(bytes + [0], count: 6) == nil)
    }

    @Test func `are damaged when their count is another`() {
        let bytes = ChangedKeys(Self.keys).bytes
        #expect(decoded(bytes, count: 5) == nil)
        #expect(decoded(bytes, count: 7) == nil)
    }

    @Test(arguments: [
        [0, 1, 0, 1, 0x61],  // shares with a key that is not there
        [0, 0, 0, 0],  // empty
        [0, 0, 0, 1, 0xFF],  // not UTF-8
        [0, 0, 0xFF, 0xFF, 0x61],  // longer than what is there
    ])
    func `are damaged when they are no keys`(_ bytes: [UInt8]) {
        #expect(decoded(bytes, count: 1) == nil)
    }
}
