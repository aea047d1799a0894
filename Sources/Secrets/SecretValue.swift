/// The bytes of one value: locked in memory, excluded from dumps, wiped when the last reference goes,
/// and silent wherever values are printed.
@safe package final class SecretValue: Sendable {
    /// A stored value has at most this many bytes (1 MiB).
    package static let maximumCount = 1_048_576

    // SAFETY: filled in `init` before it is shared, only read until `deinit` wipes it.
    private nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer
    /// In bytes.
    package let count: Int

    /// A value of at most `capacity` bytes, as many as `fill` appends.
    ///
    /// If `fill` throws, what it wrote is wiped.
    /// - Throws: `SecretMemoryError`, or what `fill` throws.
    package init(
        capacity: Int, filledBy fill: (inout OutputRawSpan) throws -> Void
    ) throws {
        guard capacity > 0 else {
            // `fill` decides also here: opening an empty record checks its seal.
            let none = unsafe UnsafeMutableRawBufferPointer(start: nil, count: 0)
            var span = unsafe OutputRawSpan(buffer: none, initializedCount: 0)
            try fill(&span)
            count = unsafe span.finalize(for: none)
            unsafe memory = none
            return
        }
        let taken = try unsafe SecretMemory.take(capacity)
        do {
            var span = unsafe OutputRawSpan(buffer: taken, initializedCount: 0)
            try fill(&span)
            count = unsafe span.finalize(for: taken)
            unsafe memory = taken
        } catch {
            unsafe SecretMemory.giveBack(taken)
            throw error
        }
    }

    /// A copy of `bytes`, which stay the caller's to wipe.
    package convenience init(copying bytes: RawSpan) throws {
        try self.init(capacity: bytes.byteCount) { span in span.append(copying: bytes) }
    }

    deinit { unsafe SecretMemory.giveBack(memory) }

    /// Lends the bytes for the time of `body`.
    package func withBytes<R, E>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        let used = unsafe UnsafeRawBufferPointer(rebasing: memory[..<count])
        return try body(unsafe RawSpan(_unsafeBytes: used))
    }
}

extension SecretValue {
    package var hasNUL: Bool {
        withBytes { bytes in
            (0..<bytes.byteCount).contains {
                unsafe bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) == 0
            }
        }
    }

    /// Compares in a time that depends on the lengths only.
    package func hasSameBytes(as other: SecretValue) -> Bool {
        guard count == other.count else { return false }
        return withBytes { left in
            other.withBytes { right in
                var difference: UInt8 = 0
                for offset in 0..<left.byteCount {
                    difference |=
                        unsafe left.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                        ^ right.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                }
                return difference == 0
            }
        }
    }
}

extension SecretValue: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "<value>" }
    package var debugDescription: String { "<value>" }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}

extension OutputRawSpan {
    /// Appends `bytes`.
    /// - Precondition: there is room for them.
    package mutating func append(copying bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { source in
            unsafe withUnsafeMutableBytes { buffer, count in
                precondition(source.count <= buffer.count - count)
                guard source.count > 0 else { return }
                unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...]).copyMemory(from: source)
                count += source.count
            }
        }
    }
}

extension SecretValue {
    /// In a time that tells nothing but the lengths.
    package func isEqual(to other: SecretValue) -> Bool {
        guard count == other.count else { return false }
        return withBytes { mine in
            other.withBytes { theirs in
                var difference: UInt8 = 0
                for offset in 0..<count {
                    difference |=
                        unsafe mine.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                        ^ theirs.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                }
                return difference == 0
            }
        }
    }
}
