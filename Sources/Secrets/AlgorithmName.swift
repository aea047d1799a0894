/// `OWNER/NAME`. Each part: a letter, digit or underscore, then letters, digits, `.`, `_` and `-`; 1 to 64
/// bytes. Case counts.
package struct AlgorithmName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumPartCount = NamePart.maximumCount
    package let owner: String
    package let name: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw NameError(.algorithm, "it must be OWNER/NAME, for example nlp/Summarizer")
        }
        owner = try NamePart.parse(parts[0], "owner", .algorithm)
        name = try NamePart.parse(parts[1], "name", .algorithm)
    }

    package var description: String { "\(owner)/\(name)" }
    package static func < (left: Self, right: Self) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
