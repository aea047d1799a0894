import JSONText
import NIOHTTP1
import Secrets

/// How a token is got: the vault is asked where and for what, and then whoever gives it.
struct AzureSession: Sendable {
    private let settings: AzureSettings
    private let http: ProviderHTTP
    private let metadata: ProviderURL
    /// Managed identities have tokens for a day.
    private static let longest: Int64 = 86_400

    init(_ settings: AzureSettings, _ http: ProviderHTTP, metadata: ProviderURL) {
        (self.settings, self.http, self.metadata) = (settings, http, metadata)
    }

    func logIn() async -> Result<TokenKeeper<SecretValue>.Token, ProviderFailure> {
        do throws(ProviderFailure) {
            // Each time: a vault can be moved to another tenant.
            let challenge = try await challenge()
            let answer = try await http.send(try request(challenge))
            guard answer.status == 200 else { throw refusal(answer) }
            return .success(try Self.token(answer))
        } catch {
            return .failure(error)
        }
    }

    /// Asks the vault without a token.
    private func challenge() async throws(ProviderFailure) -> AzureChallenge {
        let url = settings.url
        let answer = try await http.send(
            ProviderRequest(.GET, url, "/secrets?\(AzureAnswer.version)&maxresults=1"))
        guard answer.status == 401 else {
            guard !(200..<300).contains(answer.status) else {
                throw ProviderFailure(.malformed, "\(url.host) answers anybody: it is no Key Vault")
            }
            throw AzureAnswer.failure(answer, "a request without a token")
        }
        let challenge = try AzureChallenge(
            answer.headers["WWW-Authenticate"], of: url, allowed: settings.authority)
        if let ours = settings.login.tenant, let theirs = challenge.tenant, Self.isUUID(ours),
            Self.isUUID(theirs), ours.lowercased() != theirs.lowercased()
        {
            throw ProviderFailure(
                .denied, "\(url.host) belongs to another tenant than tenant_id says: no token was asked for")
        }
        return challenge
    }

    private static func isUUID(_ text: String) -> Bool {
        text.utf8.count == 36 && text.split(separator: "-").map(\.utf8.count) == [8, 4, 4, 4, 12]
    }

    private func request(_ challenge: AzureChallenge) throws(ProviderFailure) -> ProviderRequest {
        var form = FormWriter()
        form.add("grant_type", "client_credentials")
        form.add("scope", challenge.scope)
        let place: String
        switch settings.login {
        case .clientSecret(let tenant, let client, let secret):
            place = tenant
            form.add("client_id", client)
            form.add("client_secret", secret)
        case .workload(let tenant, let client, let file):
            place = tenant
            form.add("client_id", client)
            form.add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            form.add("client_assertion", try VaultLogin.token(in: file))
        case .machine(let client):
            var path = "/metadata/identity/oauth2/token?api-version=2018-02-01"
            path += "&resource=" + encodedPart(challenge.resource)
            if let client { path += "&client_id=" + encodedPart(client) }
            var request = ProviderRequest(.GET, metadata, path)
            // A request that somebody was talked into does not have it.
            request.headers.add(name: "Metadata", value: "true")
            return request
        }
        var request = ProviderRequest(
            .POST, challenge.authority, "/\(encodedPart(place))/oauth2/v2.0/token")
        request.body = form.buffer
        request.contentType = FormWriter.contentType
        return request
    }

    private static func token(_ answer: ProviderResponse) throws(ProviderFailure)
        -> TokenKeeper<SecretValue>.Token
    {
        try AzureAnswer.reading(answer.host) {
            let body = try answer.json()
            guard let text = try body.value("access_token"), text.count > 0,
                let seconds = try body.seconds("expires_in"), seconds > 0,
                try body.string("token_type")?.lowercased() ?? "bearer" == "bearer"
            else {
                throw ProviderFailure(.malformed, "\(answer.host) answers a login without a token that holds")
            }
            return TokenKeeper<SecretValue>.Token(text, seconds: min(seconds, longest))
        }
    }

    // MARK: Refusals

    private func refusal(_ answer: ProviderResponse) -> ProviderFailure {
        let host = answer.host
        guard settings.login.tenant != nil else {
            return switch answer.status {
            case 400, 403:
                ProviderFailure(
                    .denied, "\(host): this machine has no managed identity, or not the one of client_id")
            // While it is set up or taken down.
            case 404, 410: ProviderFailure(.down, "\(host) gives no tokens now (\(answer.status))")
            default: AzureAnswer.unusual(answer, "the login")
            }
        }
        guard [400, 401, 403].contains(answer.status), let body = try? answer.json() else {
            return AzureAnswer.unusual(answer, "the login")
        }
        let number = Self.number(body)
        switch try? body.string("error") {
        case "invalid_client":
            return ProviderFailure(
                .denied, "\(host) does not take the credential: it is wrong, or has ended\(number)")
        case "unauthorized_client":
            return ProviderFailure(.denied, "\(host) knows no such client_id in the tenant\(number)")
        case "temporarily_unavailable":
            return ProviderFailure(
                .down, "\(host) gives no tokens now\(number)", retryAfter: answer.retryAfter)
        case .some: return ProviderFailure(.denied, "\(host) refuses the login\(number)")
        case nil: return AzureAnswer.unusual(answer, "the login")
        }
    }

    /// ` (AADSTS7000215)`: what to look up. Nothing else of the description, which may quote what was sent.
    private static func number(_ body: JSONObject) -> String {
        let mark = "AADSTS"
        guard let text = (try? body.string("error_description")) ?? nil, text.hasPrefix(mark) else {
            return ""
        }
        let digits = text.dropFirst(mark.count).prefix { $0.isASCII && $0.isNumber }
        return (5...9).contains(digits.count) ? " (\(mark)\(digits))" : ""
    }
}
