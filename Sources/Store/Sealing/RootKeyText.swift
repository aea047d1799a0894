internal import Secrets

/// A root key as a line of text: `secretfs-root-key-1:`, 64 lower-case hexadecimal digits, and a newline, which
/// a reader does not insist on. 85 bytes.
enum RootKeyText {
    static let prefix: StaticString = "secretfs-root-key-1:"
    static let format = 1
    private static let anyFormat: StaticString = "secretfs-root-key-"
    static let count = 85
    /// A file that is longer holds something else, and is not read any further.
    static let maximumCount = 128

    static func write(_ key: borrowing RootKey, to text: inout OutputRawSpan) {
        prefix.withUTF8Buffer {
            unsafe text.append(copying: RawSpan(_unsafeBytes: UnsafeRawBufferPointer($0)))
        }
        key.withBytes { bytes in
            for index in 0..<bytes.byteCount {
                let byte = bytes.byte(at: index)
                text.append(digit(byte >> 4))
                text.append(digit(byte & 15))
            }
        }
        text.append(UInt8(ascii: "\n"))
    }

    /// - Parameter what: what to call the file in an error.
    /// - Throws: `.notARootKey`, `.newerFormat`, `.sealing`.
    static func parse(_ text: RawSpan, of what: String) throws(RootKeyError) -> SecretValue {
        guard text.starts(with: prefix) else { throw otherFormat(text, of: what) }
        let start = prefix.utf8CodeUnitCount
        let end =
            text.byteCount == count && text.byte(at: count - 1) == UInt8(ascii: "\n")
            ? count - 1 : text.byteCount
        guard end == count - 1 else { throw .notARootKey(path: what) }
        var wrong: UInt8 = 0
        let value: SecretValue
        do {
            value = try .sealing(capacity: RootKey.byteCount) { key throws(SealError) in
                for index in stride(from: start, to: end, by: 2) {
                    let (high, low) = (nibble(text.byte(at: index)), nibble(text.byte(at: index + 1)))
                    wrong |= (high | low) & 0xf0
                    key.append(high << 4 | low & 15)
                }
            }
        } catch { throw .sealing(error) }
        guard wrong == 0 else { throw .notARootKey(path: what) }
        return value
    }

    /// What `text`, which is not of our format, is then.
    private static func otherFormat(_ text: RawSpan, of what: String) -> RootKeyError {
        let start = anyFormat.utf8CodeUnitCount
        guard text.starts(with: anyFormat), text.byteCount > start + 1,
            (UInt8(ascii: "2")...UInt8(ascii: "9")).contains(text.byte(at: start)),
            text.byte(at: start + 1) == UInt8(ascii: ":")
        else { return .notARootKey(path: what) }
        let found = Int(text.byte(at: start) - UInt8(ascii: "0"))
        return .newerFormat(what: what, found: found, known: format)
    }

    // Digits are computed, not looked up: a table's cache lines would tell which ones were used.

    private static func digit(_ nibble: UInt8) -> UInt8 {
        // All ones for 10 to 15.
        let isLetter = 0 &- ((nibble &+ 6) >> 4)
        return UInt8(ascii: "0") &+ nibble &+ (isLetter & (UInt8(ascii: "a") - UInt8(ascii: "0") - 10))
    }

    /// 0 to 15; for a byte that is no digit, 0xf0.
    private static func nibble(_ byte: UInt8) -> UInt8 {
        let number = byte &- UInt8(ascii: "0")
        let letter = byte &- UInt8(ascii: "a")
        let isNumber = mask(number, below: 10)
        let isLetter = mask(letter, below: 6)
        return (number & isNumber) | ((letter &+ 10) & isLetter) | (~(isNumber | isLetter) & 0xf0)
    }

    /// All ones if `value` < `limit`, else 0, without a branch.
    private static func mask(_ value: UInt8, below limit: UInt8) -> UInt8 {
        UInt8(truncatingIfNeeded: (Int16(value) - Int16(limit)) >> 8)
    }
}
