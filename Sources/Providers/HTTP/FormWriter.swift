import JSONText
import NIOCore
import Secrets

/// A form that goes out (`application/x-www-form-urlencoded`), written into one buffer: logins take nothing else.
struct FormWriter {
    static let contentType = "application/x-www-form-urlencoded"
    private(set) var buffer = ByteBuffer()

    mutating func add(_ name: String, _ text: String) {
        begin(name)
        for byte in text.utf8 { write(byte) }
    }

    mutating func add(_ name: String, _ value: SecretValue) {
        begin(name)
        // At once: a buffer that grows leaves copies behind, which are wiped when they are freed, not before.
        buffer.reserveCapacity(minimumWritableBytes: value.count * 3 + 1024)
        value.withBytes { bytes in
            for offset in 0..<bytes.byteCount { write(bytes.byte(at: offset)) }
        }
    }

    private mutating func begin(_ name: String) {
        if buffer.readableBytes > 0 { buffer.writeInteger(UInt8(ascii: "&")) }
        buffer.writeString(name)
        buffer.writeInteger(UInt8(ascii: "="))
    }

    private mutating func write(_ byte: UInt8) {
        guard !isUnreserved(byte) else { return _ = buffer.writeInteger(byte) }
        buffer.writeInteger(UInt8(ascii: "%"))
        for digit in [byte >> 4, byte & 15] {
            buffer.writeInteger(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "A") + digit - 10)
        }
    }
}
