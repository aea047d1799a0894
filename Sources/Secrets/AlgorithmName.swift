/// `OWNER/NAME`. Each part: a letter, digit or underscore, then letters, digits, `.`, `_` and `-`; 1 to 64
/// bytes. Case counts.
package struct AlgorithmName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumPartCount = 64
    package let owner: String
    package let name: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw NameError(.algorithm, text, "it must be OWNER/NAME, for example nlp/Summarizer")
        }
        owner = try Self.part(parts[0], "owner", of: text)
        name = try Self.part(parts[1], "name", of: text)
    }

    private static func part(_ part: Substring, _ what: String, of text: String) throws(NameError) -> String {
        guard !part.isEmpty else { throw NameError(.algorithm, text, "its \(what) is empty") }
        guard part.utf8.count <= maximumPartCount else {
            let count = part.utf8.count
            throw NameError(
                .algorithm, text, "its \(what) has \(count) bytes; at most \(maximumPartCount) are allowed")
        }
        guard let first = part.utf8.first, isWord(first) else {
            throw NameError(
                .algorithm, text, "its \(what) must start with a letter, a digit or an underscore")
        }
        guard part.utf8.allSatisfy({ isWord($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") })
        else {
            throw NameError(
                .algorithm, text, "only letters, digits, '.', '_' and '-' are allowed in its \(what)")
        }
        return String(part)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        byte.isASCIILetter || byte.isASCIIDigit || byte == UInt8(ascii: "_")
    }

    package var description: String { "\(owner)/\(name)" }
    package static func < (left: Self, right: Self) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
