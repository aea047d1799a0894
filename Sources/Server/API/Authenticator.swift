import HTTPTypes
import Secrets
import Store

/// Finds out who sends a request. One of several: API keys now, sessions of the web pages, OpenID Connect.
protocol Authenticator: Sendable {
    /// - Returns: nil if `fields` have nothing that this one knows, or nothing that is valid.
    func principal(_ fields: HTTPFields) throws -> Principal?
}

/// `Authorization: KEY`, `Authorization: Simple KEY`, `Authorization: Bearer KEY`.
struct KeyAuthenticator: Authenticator {
    private let store: SecretStore
    private let known = KnownKeys()
    /// In bytes: longer than any of ours.
    private static let maximumCount = 512

    init(_ store: SecretStore) { self.store = store }

    func principal(_ fields: HTTPFields) throws -> Principal? {
        // Two of them could mean different people to us and to a proxy before us.
        let given = fields[values: .authorization]
        guard given.count == 1, given[0].utf8.count <= Self.maximumCount else { return nil }
        let words = given[0].split(separator: " ", omittingEmptySubsequences: false)
        let key: Substring
        switch words.count {
        case 1: key = words[0]
        case 2 where ["simple", "bearer"].contains(words[0].lowercased()): key = words[1]
        default: return nil
        }
        var bytes = Array(key.utf8)
        defer { unsafe bytes.withUnsafeMutableBytes { unsafe wipe($0) } }
        return try unsafe store.authenticate(key: bytes.span.bytes, known)
    }
}
