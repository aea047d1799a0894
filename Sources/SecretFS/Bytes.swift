extension Span<UInt8> {
    func equals(_ text: String) -> Bool { compare(with: text) == 0 }

    /// Negative, 0 or positive as these bytes sort before, equal or after those of `text`.
    func compare(with text: String) -> Int {
        var text = text
        return text.withUTF8 { other in
            for index in 0..<Swift.min(count, other.count) {
                let (left, right) = unsafe (self[index], other[index])
                if left != right { return left < right ? -1 : 1 }
            }
            return count - other.count
        }
    }
}

extension RawSpan {
    /// Where a read of at most `count` bytes from `offset` finds its bytes; empty at or past the end.
    func range(from offset: UInt64, count: Int) -> Range<Int> {
        let start = Swift.min(Int(clamping: offset), byteCount)
        return start..<(start + Swift.min(Swift.max(count, 0), byteCount - start))
    }
}
