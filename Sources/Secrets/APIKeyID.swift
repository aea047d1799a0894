/// Names an API key, and is no secret: ten of `a` to `z` and `2` to `7` (base32, RFC 4648, in lower case).
package struct APIKeyID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let count = 10
    package let text: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        guard text.utf8.count == Self.count, text.utf8.allSatisfy(Self.isDigit) else {
            throw NameError(
                .apiKey, "it has 10 letters and digits, for example ab2cd3ef4g; not the key itself")
        }
        self.text = text
    }

    /// Whether `byte` is a digit of base32, as keys are written.
    package static func isDigit(_ byte: UInt8) -> Bool {
        byte.isASCIISmallLetter || (UInt8(ascii: "2")...UInt8(ascii: "7")).contains(byte)
    }

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

/// What people call an API key: 0 to 128 bytes of UTF-8 on one line.
package struct KeyLabel: Hashable, Sendable, CustomStringConvertible {
    package static let maximumCount = 128
    package static let none = KeyLabel(unchecked: "")
    package let text: String

    package init(_ text: String) throws(NameError) {
        self.text = try oneLine(text, .label, maximum: Self.maximumCount)
    }
    private init(unchecked text: String) { self.text = text }
    package var description: String { text }
}
