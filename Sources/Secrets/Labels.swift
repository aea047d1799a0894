/// What people call a secret (`short_name`): 1 to 128 bytes of UTF-8 on one line.
package struct DisplayName: Hashable, Sendable, CustomStringConvertible {
    package static let maximumCount = 128
    package let text: String

    package init(_ text: String) throws(NameError) {
        guard !text.isEmpty else { throw NameError(.displayName, "it is empty") }
        self.text = try oneLine(text, .displayName, maximum: Self.maximumCount)
    }
    package var description: String { text }
}

/// What a secret is for: 0 to 1,024 bytes of UTF-8 on one line.
package struct Description: Hashable, Sendable, CustomStringConvertible {
    package static let maximumCount = 1024
    package let text: String

    package static let empty = Description()
    private init() { text = "" }

    package init(_ text: String) throws(NameError) {
        self.text = try oneLine(text, .description, maximum: Self.maximumCount)
    }
    package var description: String { text }
}

func oneLine(_ text: String, _ kind: NameError.Kind, maximum: Int) throws(NameError) -> String {
    guard text.utf8.count <= maximum else {
        throw NameError(kind, "it has \(text.utf8.count) bytes; at most \(maximum) are allowed")
    }
    // Most are of ASCII only; what Unicode knows of a character takes a while to look up.
    if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) { return text }
    // A control or bidirectional character could rewrite what a terminal or a page shows around it.
    let isPlain = text.unicodeScalars.allSatisfy { scalar in
        switch scalar.properties.generalCategory {
        case .control, .lineSeparator, .paragraphSeparator: false
        case .format: !scalar.properties.isBidiControl
        default: true
        }
    }
    guard isPlain else { throw NameError(kind, "line breaks and control characters are not allowed") }
    return text
}
