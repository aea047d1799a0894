/// Where values live: `[a-z0-9][a-z0-9._-]*`, 1 to 64 bytes. `internal` is our own store.
package struct ProviderName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumCount = 64
    package static let `internal` = ProviderName(known: "internal")
    package let text: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        guard let first = text.utf8.first else { throw NameError(.provider, "it is empty") }
        guard text.utf8.count <= Self.maximumCount else {
            throw NameError(
                .provider, "it has \(text.utf8.count) bytes; at most \(Self.maximumCount) are allowed")
        }
        let isWord = { (byte: UInt8) in byte.isASCIISmallLetter || byte.isASCIIDigit }
        guard isWord(first) else {
            throw NameError(.provider, "it must start with a small letter or a digit")
        }
        guard text.utf8.allSatisfy({ isWord($0) || Self.marks.contains($0) }) else {
            throw NameError(.provider, "only small letters, digits, '.', '_' and '-' are allowed")
        }
        self.text = text
    }

    private init(known text: String) { self.text = text }
    private static let marks: Set<UInt8> = [UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-")]

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}
