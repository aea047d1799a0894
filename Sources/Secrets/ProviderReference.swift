/// A secret that exists at a provider: `PATH` or `PATH#FIELD`, 1 to 2,048 bytes of printable ASCII. What a path is, a
/// provider says; a field is one member of a value that is an object.
package struct ProviderReference: Hashable, Sendable, CustomStringConvertible {
    package static let maximumCount = 2048

    /// Never empty; without `#`.
    package let path: String
    /// Never empty.
    package let field: String?

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        guard text.utf8.count <= Self.maximumCount else {
            throw NameError(
                .reference, "it has \(text.utf8.count) bytes; at most \(Self.maximumCount) are allowed")
        }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw NameError(.reference, "only printable ASCII without blanks is allowed in it")
        }
        let parts = text.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, !path.isEmpty else { throw NameError(.reference, "its path is empty") }
        guard parts.count == 1 || !parts[1].isEmpty else {
            throw NameError(.reference, "nothing follows its '#'")
        }
        guard parts.count == 1 || !parts[1].contains("#") else {
            throw NameError(.reference, "it has more than one '#'")
        }
        self.path = String(path)
        field = parts.count > 1 ? String(parts[1]) : nil
    }

    package var description: String { field.map { "\(path)#\($0)" } ?? path }
}

/// What a provider calls one version of a secret: opaque, 1 to 256 bytes of printable ASCII. Two that are the same are
/// one version; nothing else can be said of them.
package struct ProviderVersion: Hashable, Sendable, CustomStringConvertible {
    package static let maximumCount = 256
    package let text: String

    /// Nil if `text` is none.
    package init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= Self.maximumCount,
            text.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else { return nil }
        self.text = text
    }
    package var description: String { text }
}
