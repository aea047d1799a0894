/// A machine that has its entries from a server: `[a-z0-9][a-z0-9.-]*`, 1 to 64 bytes, as hosts are called.
package struct NodeName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumCount = 64
    package let text: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        guard let first = text.utf8.first else { throw NameError(.node, "it is empty") }
        guard text.utf8.count <= Self.maximumCount else {
            throw NameError(
                .node, "it has \(text.utf8.count) bytes; at most \(Self.maximumCount) are allowed")
        }
        let isWord = { (byte: UInt8) in byte.isASCIISmallLetter || byte.isASCIIDigit }
        guard isWord(first) else {
            throw NameError(.node, "it must start with a small letter or a digit")
        }
        guard text.utf8.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else {
            throw NameError(.node, "only small letters, digits, '.' and '-' are allowed")
        }
        self.text = text
    }

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}
