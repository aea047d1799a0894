/// The keys that one revision changed, as a row of the change feed has them: each without what it shares with
/// the one before (docs/FORMAT.md#store-file). Order and repetition mean nothing.
///
/// Per key: how many bytes it shares (2, big-endian), how many more it has (2), and those.
struct ChangedKeys {
    private(set) var bytes: [UInt8] = []
    private(set) var count = 0
    private var last: RecordKey?

    init(_ keys: [RecordKey]) {
        bytes.reserveCapacity(keys.count * 48)
        for key in keys { append(key) }
    }

    private mutating func append(_ key: RecordKey) {
        let text = key.text.utf8
        let shared = last.map { Self.sharedCount($0.text.utf8Span.span, key.text.utf8Span.span) } ?? 0
        bytes.append(bigEndian: UInt16(shared))
        bytes.append(bigEndian: UInt16(text.count - shared))
        bytes.append(contentsOf: text.dropFirst(shared))
        last = key
        count += 1
    }

    private static func sharedCount(_ left: Span<UInt8>, _ right: Span<UInt8>) -> Int {
        let limit = min(left.count, right.count)
        var count = 0
        while count < limit, left[count] == right[count] { count += 1 }
        return count
    }

    /// Hands out the keys of a row, one after the other, until `take` has enough.
    ///
    /// - Returns: false if `bytes` are not what `init` makes of `count` keys; nil if `take` had enough.
    static func decode(_ bytes: [UInt8], count: Int64, _ take: (RecordKey) -> Bool) -> Bool? {
        var previous: [UInt8] = []
        var found: Int64 = 0
        var offset = 0
        while offset < bytes.count {
            guard bytes.count - offset >= 4 else { return false }
            let shared = number(bytes, at: offset)
            let more = number(bytes, at: offset + 2)
            offset += 4
            guard shared <= previous.count, more <= bytes.count - offset else { return false }
            let next = Array(previous[..<shared] + bytes[offset..<offset + more])
            offset += more
            guard let key = RecordKey(stored: next) else { return false }
            guard take(key) else { return nil }
            previous = next
            found += 1
        }
        return found == count
    }

    private static func number(_ bytes: [UInt8], at offset: Int) -> Int {
        Int(bytes[offset]) << 8 | Int(bytes[offset + 1])
    }
}
