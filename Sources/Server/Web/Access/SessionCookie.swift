import HTTPTypes

/// `__Host-`: browsers take it only from this host itself, with Secure, for all of its paths (RFC 6265bis, 4.1.3.2).
enum SessionCookie {
    private static let name = "__Host-secretfs"
    private static let attributes = "Path=/; Secure; HttpOnly; SameSite=Strict"

    /// - Returns: nil also if there are two: one of them is not ours.
    static func id(in fields: HTTPFields) -> String? {
        let pairs: [Substring] = fields[values: .cookie].flatMap { $0.split(separator: ";") }
            .map { $0.drop { $0 == " " } }
        let own = pairs.filter { $0.hasPrefix("\(name)=") }
        return own.count == 1 ? own.first.map { String($0.dropFirst(name.utf8.count + 1)) } : nil
    }

    /// Until the browser is closed, or the session ends.
    static func set(_ id: String) -> String { "\(name)=\(id); \(attributes)" }
    static var forget: String { "\(name)=; Max-Age=0; \(attributes)" }
}
