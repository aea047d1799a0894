import Glibc
import Synchronization

/// A value while it is written: grows, in memory like `SecretValue`'s, and is wiped when it shrinks, moves or goes.
package final class SecretBuffer: Sendable {
    @safe private struct Content: ~Copyable {
        // SAFETY: touched under the lock only; this has one owner, which gives it back.
        nonisolated(unsafe) var memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
        var count = 0

        deinit { unsafe SecretMemory.giveBack(memory) }

        mutating func reserve(_ needed: Int) throws(SecretMemoryError) {
            guard unsafe needed > memory.count else { return }
            // Twice as much each time, so that many short writes copy each byte about once.
            let larger = try unsafe SecretMemory.take(max(needed, unsafe memory.count * 2, 1024))
            if count > 0 {
                unsafe larger.copyMemory(from: UnsafeRawBufferPointer(rebasing: memory[..<count]))
            }
            unsafe SecretMemory.giveBack(memory)
            unsafe memory = larger
        }
    }
    private let content = Mutex(Content())

    package init() {}

    /// In bytes.
    package var count: Int { content.withLock { $0.count } }
    /// What it takes of the memory that can be locked, in bytes.
    package var capacity: Int { content.withLock { unsafe $0.memory.count } }

    /// Puts `bytes` at `offset`, over what is there.
    ///
    /// - Precondition: `offset` is at most `count`.
    package func write(_ bytes: RawSpan, at offset: Int) throws(SecretMemoryError) {
        try content.withLock { content throws(SecretMemoryError) in
            precondition((0...content.count).contains(offset))
            let end = offset + bytes.byteCount
            try content.reserve(end)
            guard bytes.byteCount > 0 else { return }
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: content.memory[offset..<end]).copyMemory(
                    from: source)
            }
            content.count = max(content.count, end)
        }
    }

    /// Cuts to the first `count` bytes and wipes the rest; what is shorter stays.
    package func truncate(to count: Int) {
        content.withLock { content in
            guard count < content.count, let start = unsafe content.memory.baseAddress else { return }
            unsafe explicit_bzero(start + count, content.count - count)
            content.count = count
        }
    }

    /// Wipes everything and gives the memory back.
    package func clear() {
        content.withLock { content in
            unsafe SecretMemory.giveBack(content.memory)
            unsafe content.memory = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
            content.count = 0
        }
    }

    /// Lends the bytes for the time of `body`, which must not use this buffer.
    package func withBytes<R, E>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try content.withLock { content throws(E) in
            let used = unsafe UnsafeRawBufferPointer(rebasing: content.memory[..<content.count])
            return try body(unsafe RawSpan(_unsafeBytes: used))
        }
    }

    /// A copy, as it is now.
    package func value() throws -> SecretValue {
        let count = count
        return try SecretValue(capacity: count) { span in
            withBytes { bytes in span.append(copying: bytes.extracting(first: count)) }
        }
    }
}
