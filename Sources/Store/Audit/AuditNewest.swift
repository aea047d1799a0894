package import Secrets

/// The newest lines first, without reading what is before them.
extension AuditReader {
    /// How far a look back came.
    package struct LookBack: Sendable {
        /// Number of the oldest line that was looked at.
        package var oldest: UInt64?
        /// Whether there may be older ones.
        package var isCut = false
    }

    /// Calls `body` with each line of ours from the newest, until it answers false.
    ///
    /// - Parameters:
    ///   - sequence: only lines with a smaller number.
    ///   - limit: so many bytes of files are read at most, or one block more.
    /// - Throws: `.missing` where there is no file of a log at all.
    package func newest(
        before sequence: UInt64?, reading limit: Int, _ body: (AuditRecord) -> Bool
    ) throws(AuditError) -> LookBack {
        let snapshot = try AuditSnapshot(folder, until: deadline())
        guard !snapshot.files.isEmpty else { throw .missing(path: folder.current) }
        var look = LookBack()
        var room = limit
        for file in snapshot.files.reversed() {
            let goesOn = try file.forEachLineFromTheEnd { line, count in
                room -= count
                guard let number = AuditOutline.sequence(line), sequence.map({ number < $0 }) ?? true else {
                    return room > 0
                }
                look.oldest = number
                guard let record = AuditRecord((0..<line.byteCount).map { line.byte(at: $0) }) else {
                    return room > 0
                }
                return body(record) && room > 0
            }
            guard goesOn else {
                look.isCut = true
                return look
            }
        }
        return look
    }
}

extension AuditSnapshot.File {
    private static let blockCount = 1 << 18
    /// Longer than any line of ours.
    private static let maximumLine = 1 << 16

    /// Calls `body` with each whole line from the last, and how many bytes it takes, until that answers false.
    ///
    /// - Returns: whether it came to the first line.
    func forEachLineFromTheEnd(_ body: (RawSpan, Int) -> Bool) throws(AuditError) -> Bool {
        var end = count
        // What stands before the first newline of the block behind: the end of a line that begins before it.
        var rest: [UInt8] = []
        // What was not finished with a newline is no line yet.
        var isWhole = false
        while end > 0 {
            let start = max(0, end - Self.blockCount)
            var block = [UInt8](repeating: 0, count: end - start)
            let got = try read(start..<end, into: &block)
            // It was cut while it is read: what is there is not what was.
            guard got == block.count else { return true }
            block += rest
            var upper = block.count
            while let newline = block[..<upper].lastIndex(of: 0x0A) {
                let line = newline + 1..<upper
                if isWhole, !body(unsafe block.span.bytes.extracting(line), line.count + 1) { return false }
                isWhole = true
                upper = newline
            }
            rest = upper <= Self.maximumLine ? Array(block[..<upper]) : []
            end = start
        }
        guard isWhole, !rest.isEmpty else { return true }
        return body(unsafe rest.span.bytes, rest.count + 1)
    }
}
