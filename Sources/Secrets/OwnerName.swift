/// An organization: the part of an algorithm's name before the slash. A letter, digit or underscore, then letters,
/// digits, `.`, `_` and `-`; 1 to 64 bytes. Case counts.
package struct OwnerName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let text: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        self.text = try NamePart.parse(text[...], "name", .owner)
    }
    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

/// What the two parts of an algorithm's name are made of.
enum NamePart {
    static let maximumCount = 64

    static func parse(
        _ part: Substring, _ what: String, _ kind: NameError.Kind
    ) throws(NameError) -> String {
        guard !part.isEmpty else { throw NameError(kind, "its \(what) is empty") }
        guard part.utf8.count <= maximumCount else {
            let count = part.utf8.count
            throw NameError(kind, "its \(what) has \(count) bytes; at most \(maximumCount) are allowed")
        }
        guard let first = part.utf8.first, isWord(first) else {
            throw NameError(kind, "its \(what) must start with a letter, a digit or an underscore")
        }
        guard part.utf8.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else {
            throw NameError(kind, "only letters, digits, '.', '_' and '-' are allowed in its \(what)")
        }
        return String(part)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "_")
    }
}
