import Secrets

/// What a vault says to a request without a token: where one is to be had, and for what. It is believed only as far as
/// nobody learns anything by lying: a token for another resource could be used there by whoever answered.
struct AzureChallenge: Equatable, Sendable {
    /// Where tokens are asked for.
    let authority: ProviderURL
    /// `https://vault.azure.net`
    let resource: String
    /// The vault's tenant, where it is told.
    let tenant: String?

    var scope: String { resource + "/.default" }

    /// Where Microsoft gives tokens: the public cloud, the US government's, and China's.
    static let authorities: Set<String> = [
        "login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "login.microsoftonline.us",
        "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
    ]

    /// - Parameters:
    ///   - headers: all `WWW-Authenticate` of the answer.
    ///   - allowed: the only authority, where an administrator has set one.
    /// - Throws: `.malformed`; then no token is asked for.
    init(_ headers: [String], of vault: ProviderURL, allowed: ProviderURL?) throws(ProviderFailure) {
        guard let parameters = headers.lazy.compactMap({ Self.parameters($0) }).first,
            let authorization = parameters["authorization"] ?? parameters["authorization_uri"],
            let wanted = parameters["scope"] ?? parameters["resource"]
        else {
            throw ProviderFailure(
                .malformed, "\(vault.host) does not say where tokens are to be had: it is no Key Vault")
        }
        resource = try Self.resource(wanted, of: vault)
        (authority, tenant) = try Self.authority(authorization, of: vault, allowed)
    }

    /// - Throws: if the vault is not under the host of what a token is wanted for.
    private static func resource(
        _ text: String, of vault: ProviderURL
    ) throws(ProviderFailure) -> String {
        let end = "/.default"
        let place = text.hasSuffix(end) ? String(text.dropLast(end.utf8.count)) : text
        guard place.hasPrefix("https://"), let url = try? ProviderURL(place, setting: "resource"),
            Self.host(of: vault).hasSuffix("." + Self.host(of: url))
        else {
            throw ProviderFailure(
                .malformed,
                "\(vault.host) wants a token for something that it is no part of: no token was asked for")
        }
        return url.origin
    }

    private static func authority(
        _ text: String, of vault: ProviderURL, _ allowed: ProviderURL?
    ) throws(ProviderFailure) -> (ProviderURL, tenant: String?) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        let refused = ProviderFailure(
            .malformed,
            "\(vault.host) names a login that is not allowed: set authority_host if it is right; no token was asked for"
        )
        guard parts.count >= 3,
            let url = try? ProviderURL("\(parts[0])//\(parts[2])", setting: "authorization")
        else { throw refused }
        if let allowed {
            guard url.origin.lowercased() == allowed.origin.lowercased() else { throw refused }
        } else {
            guard parts[0] == "https:", authorities.contains(Self.host(of: url)) else { throw refused }
        }
        return (url, parts.count > 3 && !parts[3].isEmpty ? String(parts[3]) : nil)
    }

    /// With its port, unless that is the usual one.
    private static func host(of url: ProviderURL) -> String {
        let host = url.host.lowercased()
        return host.hasSuffix(":443") ? String(host.dropLast(4)) : host
    }

    /// `Bearer name="text", name="text"` (RFC 9110, 11.6.1).
    ///
    /// - Returns: nil if it is something else, or has a name twice.
    private static func parameters(_ header: String) -> [String: String]? {
        guard header.utf8.count <= 4096, header.lowercased().hasPrefix("bearer ") else { return nil }
        var rest = header.dropFirst(7)
        var found: [String: String] = [:]
        while true {
            rest = rest.drop { $0 == " " || $0 == "," || $0 == "\t" }
            guard !rest.isEmpty else { return found }
            guard let equals = rest.firstIndex(of: "=") else { return nil }
            let name = rest[..<equals].lowercased()
            rest = rest[equals...].dropFirst()
            let text: Substring
            if rest.first == "\"" {
                text = rest.dropFirst().prefix { $0 != "\"" }
                guard text.endIndex < rest.endIndex else { return nil }
                rest = rest[text.endIndex...].dropFirst()
            } else {
                text = rest.prefix { $0 != "," && $0 != " " }
                rest = rest[text.endIndex...]
            }
            guard !name.contains(" "), found.updateValue(String(text), forKey: name) == nil else {
                return nil
            }
        }
    }
}
