/// The name of an environment variable, and of the file that shows it: `[A-Za-z][A-Za-z0-9_]*`, 1 to 255
/// bytes. Case counts. It never changes after a secret's creation (R3).
package struct EnvironmentName: Hashable, Comparable, Sendable, CustomStringConvertible {
    package static let maximumCount = 255
    package let text: String

    /// - Throws: what is wrong with `text`, in words for its author.
    package init(_ text: String) throws(NameError) {
        let what = NameError.Kind.environmentVariable
        guard !text.isEmpty else { throw NameError(what, "it is empty") }
        guard text.utf8.count <= Self.maximumCount else {
            throw NameError(
                what, "it has \(text.utf8.count) bytes; at most \(Self.maximumCount) are allowed")
        }
        guard let first = text.utf8.first, first.isASCIILetter else {
            throw NameError(what, "it must start with a letter (A-Z, a-z)")
        }
        guard text.utf8.allSatisfy({ $0.isASCIILetter || $0.isASCIIDigit || $0 == UInt8(ascii: "_") }) else {
            throw NameError(what, "only letters, digits and underscores are allowed")
        }
        self.text = text
    }

    /// Whether a program could take this variable for code or for where its code is; see `DangerousNames`.
    package var isDangerous: Bool { DangerousNames.contains(text.utf8Span.span) }

    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool {
        left.text.utf8.lexicographicallyPrecedes(right.text.utf8)
    }
}

/// Why a name from outside is not one of ours.
package struct NameError: Error, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        case environmentVariable = "environment variable name"
        case algorithm = "algorithm name"
        case owner = "owner"
        case displayName = "display name"
        case description = "description"
        case user = "user name"
        case role = "role"
        case apiKey = "id of an API key"
        case label = "label"
        case node = "node name"
        case provider = "provider name"
        case reference = "reference to a provider"
    }
    package let kind: Kind
    package let reason: String

    init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    /// Not what was given: somebody may have typed a value in a name's place.
    package var description: String { "the \(kind.rawValue) is not valid: \(reason)" }
}

/// `text` cut to 64 characters, each control character written as an escape, so that a hostile name cannot
/// drive the terminal that shows it.
package func printable(_ text: String) -> String { printable(text, atMost: 64) }

/// As above, cut to `limit` characters.
package func printable(_ text: String, atMost limit: Int) -> String {
    var result = ""
    for scalar in text.unicodeScalars.prefix(limit) {
        let isControl =
            scalar.properties.generalCategory == .control || scalar.properties.generalCategory == .format
        result += isControl ? scalar.escaped(asASCII: true) : String(scalar)
    }
    return text.unicodeScalars.count > limit ? result + "…" : result
}

extension UInt8 {
    var isASCIILetter: Bool {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(self)
            || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(self)
    }
    var isASCIIDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(self) }
}
