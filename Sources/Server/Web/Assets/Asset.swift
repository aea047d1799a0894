import Crypto
import HTTPTypes
import Secrets

/// A file that pages refer to, part of the program.
struct Asset: Sendable {
    let name: String
    let type: String
    let bytes: [UInt8]
    /// Of its bytes: another build with another file has another one.
    let mark: String

    private init(_ name: String, _ type: String, _ text: String) {
        self.name = name
        self.type = type
        bytes = Array(text.utf8)
        mark = String(hexadecimal(Array(SHA256.hash(data: bytes))).prefix(16))
    }

    static let style = Asset("style.css", "text/css; charset=utf-8", StyleSheet.text)
    static let script = Asset("script.js", "text/javascript; charset=utf-8", PageScript.text)
    static let key = Asset("key.svg", "image/svg+xml", Icons.key)
    static let all = [style, script, key]

    /// Where pages find it: browsers keep it for as long as they like, since a changed one is elsewhere.
    var path: String { "/assets/\(name)?v=\(mark)" }

    func answer(_ call: PageCall) -> PageAnswer {
        let isExact = call.call.query["v"] == mark
        let tag = "\"\(mark)\""
        let fields: HTTPFields = [
            .contentType: type, .eTag: tag,
            .cacheControl: isExact ? "public, max-age=31536000, immutable" : "no-cache",
        ]
        let known = call.fields[values: .ifNoneMatch].contains { $0.contains(tag) }
        return known ? PageAnswer(.notModified, fields) : PageAnswer(.ok, fields, bytes)
    }
}

enum Icons {
    static let key = """
        <svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16" fill="none" \
        stroke="#5a6fd8" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">\
        <circle cx="5" cy="11" r="3"/><path d="M7.2 8.8 13.5 2.5M11 5l2 2M9 7l1.2 1.2"/></svg>

        """
}
