import FoundationEssentials
import JSONText
import NIOHTTP1
import Secrets

/// How credentials are got.
struct AWSSession: Sendable {
    private let settings: AWSSettings
    private let http: ProviderHTTP
    private let metadata: ProviderURL
    /// What is put in by hand does not end as far as we know.
    private static let longest: Int64 = 10 * 365 * 86_400

    init(_ settings: AWSSettings, _ http: ProviderHTTP, metadata: ProviderURL) {
        (self.settings, self.http, self.metadata) = (settings, http, metadata)
    }

    func logIn() async -> Result<TokenKeeper<AWSCredentials>.Token, ProviderFailure> {
        do throws(ProviderFailure) {
            switch settings.login {
            case .keys(let credentials): return .success(.init(credentials, seconds: Self.longest))
            case .webIdentity(let role, let file, let sts):
                return .success(try await assume(role, VaultLogin.token(in: file), sts))
            case .container(let url, let path, let tokenFile):
                var request = ProviderRequest(.GET, url, path)
                if let tokenFile {
                    try request.set("Authorization", to: try VaultLogin.token(in: tokenFile))
                }
                return .success(try Self.credentials(try await ask(request, "credentials of this container")))
            case .instance: return .success(try await ofInstance())
            }
        } catch {
            return .failure(error)
        }
    }

    /// Version 2 of the instance metadata service: a token first, so that no proxy and no redirected request gets any.
    private func ofInstance() async throws(ProviderFailure) -> TokenKeeper<AWSCredentials>.Token {
        var first = ProviderRequest(.PUT, metadata, "/latest/api/token")
        first.headers.add(name: "X-aws-ec2-metadata-token-ttl-seconds", value: "300")
        let token = try await ask(first, "a session of the metadata service").body
        let header: SecretValue
        do { header = try token.value() } catch {
            throw ProviderFailure(.down, "there is no memory for the answer of \(metadata.host)")
        }
        let place = "/latest/meta-data/iam/security-credentials/"
        var second = ProviderRequest(.GET, metadata, place)
        try second.set("X-aws-ec2-metadata-token", to: header)
        let role = Self.line(try await ask(second, "the role of this machine"))
        guard let role, !role.isEmpty, role.utf8.allSatisfy({ isUnreserved($0) || "+=,@".utf8.contains($0) })
        else { throw ProviderFailure(.denied, "\(metadata.host): this machine has no role") }
        var third = ProviderRequest(.GET, metadata, place + encodedPart(role))
        try third.set("X-aws-ec2-metadata-token", to: header)
        return try Self.credentials(try await ask(third, "credentials of this machine"))
    }

    private func assume(
        _ role: String, _ token: SecretValue, _ sts: ProviderURL
    ) async throws(ProviderFailure) -> TokenKeeper<AWSCredentials>.Token {
        var form = FormWriter()
        form.add("Action", "AssumeRoleWithWebIdentity")
        form.add("Version", "2011-06-15")
        form.add("RoleArn", role)
        form.add("RoleSessionName", "secretfs")
        form.add("WebIdentityToken", token)
        var request = ProviderRequest(.POST, sts, "/")
        request.body = form.buffer
        request.contentType = FormWriter.contentType
        // Else it is XML.
        request.headers.add(name: "Accept", value: "application/json")
        let answer = try await http.send(request)
        guard answer.status == 200 else {
            guard (400..<500).contains(answer.status), answer.status != 429 else {
                throw AWSAnswer.failure(answer, "the login")
            }
            throw ProviderFailure(
                .denied,
                "\(answer.host) refuses the login: see role_arn, whom it trusts, and the token's file")
        }
        return try AWSAnswer.reading(answer.host) {
            let credentials = try answer.json().object("AssumeRoleWithWebIdentityResponse")?
                .object("AssumeRoleWithWebIdentityResult")?.object("Credentials")
            guard let credentials else {
                throw ProviderFailure(.malformed, "\(answer.host) answers a login without credentials")
            }
            return try Self.credentials(
                credentials, token: "SessionToken", answer.host,
                ends: try credentials.seconds("Expiration"))
        }
    }

    private func ask(
        _ request: ProviderRequest, _ what: String
    ) async throws(ProviderFailure) -> ProviderResponse {
        let answer = try await http.send(request)
        switch answer.status {
        case 200: return answer
        case 400..<500 where answer.status != 429:
            throw ProviderFailure(.denied, "\(answer.host) gives no \(what) (\(answer.status))")
        default: throw AWSAnswer.failure(answer, what)
        }
    }

    /// A short text on one line.
    private static func line(_ answer: ProviderResponse) -> String? {
        guard answer.body.count <= 256 else { return nil }
        return answer.body.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe String(validating: $0, as: UTF8.self) }
        }?.split(whereSeparator: \.isNewline).first.map(String.init)
    }

    private static func credentials(
        _ answer: ProviderResponse
    ) throws(ProviderFailure) -> TokenKeeper<AWSCredentials>.Token {
        try AWSAnswer.reading(answer.host) {
            let body = try answer.json()
            let ends = try body.string("Expiration").flatMap { try? Date($0, strategy: .iso8601) }
            return try credentials(
                body, token: "Token", answer.host, ends: ends.map { Int64($0.timeIntervalSince1970) })
        }
    }

    /// - Parameter ends: in seconds since 1970.
    private static func credentials(
        _ body: JSONObject, token: String, _ host: String, ends: Int64?
    ) throws -> TokenKeeper<AWSCredentials>.Token {
        guard let id = try body.string("AccessKeyId"), id.utf8.count <= 128,
            id.utf8.allSatisfy({ isUnreserved($0) }), let secret = try body.value("SecretAccessKey"),
            secret.count > 0, let token = try body.value(token), let ends
        else { throw ProviderFailure(.malformed, "\(host) gives credentials that are none") }
        let left = ends - Timestamp.now().seconds
        guard left > 0 else { throw ProviderFailure(.denied, "\(host) gives credentials that have ended") }
        return .init(AWSCredentials(id: id, secret: secret, token: token), seconds: min(left, 86_400))
    }
}
