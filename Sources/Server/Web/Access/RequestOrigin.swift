import HTTPTypes

/// Whether a form was sent by one of our own pages. Browsers say it in headers that no page can set; SameSite cookies and
/// form tokens say it again.
enum RequestOrigin {
    /// - Parameters:
    ///   - host: as the request names this server, `example.org:8443`.
    ///   - isSecure: whether pages are served over TLS; nil where a proxy may do that.
    static func isOwn(_ fields: HTTPFields, host: String?) -> Bool {
        if let site = fields[Self.site] { return site == "same-origin" }
        // Browsers from before 2023 say no more than this.
        guard let origin = fields[.origin], let host, !host.isEmpty else { return false }
        return origin == "https://\(host)" || origin == "http://\(host)"
    }

    /// Whether the browser came from a page of somebody else, and so left the session's cookie at home.
    static func isElsewhere(_ fields: HTTPFields) -> Bool { fields[Self.site] == "cross-site" }

    private static var site: HTTPField.Name {
        guard let name = HTTPField.Name("Sec-Fetch-Site") else { preconditionFailure("not a header's name") }
        return name
    }
}
