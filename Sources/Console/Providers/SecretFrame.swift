import Glibc
package import Secrets

/// What came is no frame, or not one of ours.
package struct FrameError: Error {
    package init() {}
}

/// Frames whose values never leave memory that wipes itself: a length (4 bytes), so many bytes. Integers are
/// big-endian, texts and values are behind their length (4).
package struct FrameWriter: Sendable {
    /// In bytes: a value and what is said of it; or a configuration.
    static let maximumCount = 2 << 20
    private let buffer = SecretBuffer()

    package init() {}

    package func begin(_ kind: UInt8) throws {
        try number(UInt32(0))
        try number(kind)
    }

    package func number<T: FixedWidthInteger & BitwiseCopyable>(_ number: T) throws {
        let bytes = (0..<T.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
        try buffer.write(unsafe bytes.span.bytes, at: buffer.count)
    }

    package func text(_ text: String) throws {
        try number(UInt32(text.utf8.count))
        try buffer.write(unsafe text.utf8Span.span.bytes, at: buffer.count)
    }

    package func value(_ value: SecretValue) throws {
        try number(UInt32(value.count))
        try value.withBytes { try buffer.write($0, at: buffer.count) }
    }

    /// With its length.
    package func finished() throws -> SecretBuffer {
        guard buffer.count - 4 <= Self.maximumCount else { throw FrameError() }
        let count = UInt32(buffer.count - 4)
        let bytes = (0..<4).reversed().map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
        try buffer.write(unsafe bytes.span.bytes, at: 0)
        return buffer
    }
}

/// Reads a frame; every length is checked, nothing may be left over.
package struct FrameReader: Sendable {
    private let frame: SecretValue
    private var offset = 0

    package init(_ frame: SecretValue) { self.frame = frame }

    package mutating func number<T: FixedWidthInteger>(_: T.Type) throws -> T {
        let range = try take(T.bitWidth / 8)
        return frame.withBytes { bytes in
            range.reduce(T(0)) { number, offset in
                (number << 8)
                    | T(truncatingIfNeeded: unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
            }
        }
    }

    package mutating func text() throws -> String {
        let range = try block()
        let text = frame.withBytes { bytes in
            unsafe bytes.extracting(range).withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        }
        guard let text else { throw FrameError() }
        return text
    }

    package mutating func value() throws -> SecretValue {
        let range = try block()
        guard range.count <= SecretValue.maximumCount else { throw FrameError() }
        return try frame.withBytes { try SecretValue(copying: $0.extracting(range)) }
    }

    package func finish() throws {
        guard offset == frame.count else { throw FrameError() }
    }

    private mutating func block() throws -> Range<Int> {
        let count = try number(UInt32.self)
        return try take(Int(count))
    }

    private mutating func take(_ count: Int) throws -> Range<Int> {
        guard count <= frame.count - offset else { throw FrameError() }
        defer { offset += count }
        return offset..<offset + count
    }
}

/// Frames over a socket between two processes of ours.
package struct FramePipe: Sendable {
    private let descriptor: Int32

    /// - Parameter descriptor: stays the caller's.
    package init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Waits until it is taken; one sender at a time.
    ///
    /// - Returns: false if the other side has ended.
    package func send(_ frame: SecretBuffer) -> Bool {
        frame.withBytes { bytes in
            var sent = 0
            while sent < bytes.byteCount {
                let count = unsafe bytes.withUnsafeBytes { buffer in
                    unsafe Glibc.send(
                        descriptor, buffer.baseAddress.map { unsafe $0 + sent }, buffer.count - sent,
                        Int32(MSG_NOSIGNAL))
                }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                sent += count
            }
            return true
        }
    }

    /// The next frame without its length; nil when the other side has ended, or sends what is none.
    package func receive() -> SecretValue? {
        guard let head = read(4) else { return nil }
        var reader = FrameReader(head)
        guard let count = try? reader.number(UInt32.self), count > 0, count <= FrameWriter.maximumCount
        else { return nil }
        return read(Int(count))
    }

    private func read(_ count: Int) -> SecretValue? {
        try? SecretValue(capacity: count) { span in
            while span.byteCount < count {
                let part = unsafe span.withUnsafeMutableBytes { buffer, used in
                    let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[used..<count])
                    let part = unsafe recv(descriptor, rest.baseAddress, rest.count, 0)
                    used += max(part, 0)
                    return part
                }
                if part < 0, errno == EINTR { continue }
                guard part > 0 else { throw FrameError() }
            }
        }
    }
}
