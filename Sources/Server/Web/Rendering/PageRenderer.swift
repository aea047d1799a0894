import Mustache

/// What a template is given: texts, booleans, and lists of the same.
typealias PageFields = [String: Any]

/// Makes HTML of the templates, which are part of the program. Every text is escaped: no template has a tag that would
/// leave one as it is.
struct PageRenderer: Sendable {
    private let library: MustacheLibrary

    /// - Throws: if a template is not one; a test makes one of these, so no server does.
    init() throws {
        MustacheContentTypes.register(EscapedHTML(), named: EscapedHTML.name)
        var library = MustacheLibrary()
        for (name, text) in Templates.all {
            try library.register("{{% CONTENT_TYPE:\(EscapedHTML.name)}}\(text)", named: name)
        }
        self.library = library
    }

    func html(_ template: String, _ fields: PageFields) -> [UInt8] {
        guard let text = library.render(fields, withTemplate: template) else {
            preconditionFailure("there is no template \(template)")
        }
        return Array(text.utf8)
    }
}

/// Not the library's own HTML: that escapes characters as people see them, so that a quote with an accent above it is
/// none of its five and stays as it is, and ends an attribute (swift-mustache 2.1.1, String.swift).
struct EscapedHTML: MustacheContentType {
    static let name = "ESCAPED"

    func escapeText(_ text: String) -> String {
        guard text.utf8.contains(where: { Self.replacement($0) != nil }) else { return text }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count + 32)
        for byte in text.utf8 {
            if let replacement = Self.replacement(byte) {
                replacement.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func replacement(_ byte: UInt8) -> StaticString? {
        switch byte {
        case UInt8(ascii: "<"): "&lt;"
        case UInt8(ascii: ">"): "&gt;"
        case UInt8(ascii: "&"): "&amp;"
        case UInt8(ascii: "\""): "&quot;"
        case UInt8(ascii: "'"): "&#39;"
        case UInt8(ascii: "`"): "&#96;"
        case 0: "&#xFFFD;"
        default: nil
        }
    }
}
