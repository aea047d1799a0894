/// A user of the API and of the web pages: `[a-z][a-z0-9._-]*`, 1 to 64 bytes. In lower case only, so that no two
/// users look alike but for it; and never a `uid 1000`, which is how histories name the users of a machine.
package struct UserName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumCount = 64
    package let text: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        guard !text.isEmpty else { throw NameError(.user, "it is empty") }
        guard text.utf8.count <= Self.maximumCount else {
            throw NameError(
                .user, "it has \(text.utf8.count) bytes; at most \(Self.maximumCount) are allowed")
        }
        guard let first = text.utf8.first, first.isASCIISmallLetter else {
            throw NameError(.user, "it must start with a small letter (a-z)")
        }
        guard
            text.utf8.allSatisfy({
                $0.isASCIISmallLetter || $0.isASCIIDigit || [0x2D, 0x2E, 0x5F].contains($0)
            })
        else {
            throw NameError(.user, "only small letters, digits, '.', '_' and '-' are allowed")
        }
        self.text = text
    }

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

extension UInt8 {
    var isASCIISmallLetter: Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self) }
}
