import JSONText
import NIOCore
import NIOHTTP1
package import Secrets

/// Azure Key Vault.
package final class AzureKeyVault: Provider {
    let settings: AzureSettings
    private let http: ProviderHTTP
    private let tokens: TokenKeeper<SecretValue>

    /// - Throws: `.malformed`, naming the setting.
    package convenience init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        try self.init(configuration, metadata: .metadataService)
    }

    /// - Parameters:
    ///   - metadata: the metadata service of this machine.
    ///   - addresses: see `ProviderHTTP`.
    init(
        _ configuration: ProviderConfiguration, metadata: ProviderURL, addresses: [String: String] = [:],
        requestSeconds: Int64 = ProviderHTTP.requestSeconds
    ) throws(ProviderFailure) {
        settings = try AzureSettings(configuration)
        http = ProviderHTTP(settings.tls, seconds: requestSeconds, addresses: addresses)
        let session = AzureSession(settings, http, metadata: metadata)
        tokens = TokenKeeper<SecretValue> { await session.logIn() }
    }

    package var capabilities: ProviderCapabilities { .all }

    package func close() async {
        await tokens.forget()
        await http.close()
    }

    package func test(_ reference: ProviderReference?) async throws(ProviderFailure) -> [String] {
        await tokens.forget()
        _ = try await tokens.token()
        var lines = ["logged in to \(settings.url.host)"]
        guard let reference else {
            lines.append(try await probe())
            return lines
        }
        if case .value(let found) = try await read(reference, version: nil, known: nil) {
            lines.append("read \(reference): version \(found.version), \(found.value.count) bytes")
            if let expires = found.expires { lines.append("it must not be used from \(expires) on") }
        }
        return lines
    }

    /// Whether a secret may be read that is hardly there: the list of secrets takes a permission that reading does not.
    private func probe() async throws(ProviderFailure) -> String {
        let answer = try await ask(.GET, "secrets/secretfs-may-read", nil)
        switch (answer.status, AzureAnswer.code(of: answer)) {
        case (200, _), (404, "SecretNotFound"): return "secrets may be read"
        case (403, "ForbiddenByRbac"), (403, "ForbiddenByPolicy"), (403, "AccessDenied"):
            return "not every secret may be read: give the reference of one that should be"
        default: throw AzureAnswer.failure(answer, "reading")
        }
    }

    // MARK: Reading

    /// There is no cheaper question than for the value: the list of versions says nothing of their order and takes
    /// another permission, and each request counts the same. What is known is `.unchanged` once it was read.
    package func read(
        _ reference: ProviderReference, version: ProviderVersion?, known: ProviderVersion?
    ) async throws(ProviderFailure) -> ProviderReading {
        let name = try AzureName(reference)
        var place = "secrets/\(name.text)"
        if let version {
            guard AzureSecret.isVersion(version) else {
                throw ProviderFailure(.malformed, "a version of a Key Vault is 32 hexadecimal digits")
            }
            place += "/\(version)"
        }
        let answer = try await ask(.GET, place, nil)
        guard answer.status == 200 else {
            throw Self.isAbsence(answer)
                ? ProviderFailure(.absent, "there is no \(place) in \(answer.host)")
                : AzureAnswer.failure(answer, "reading \(name.text)")
        }
        let secret = try AzureSecret(answer, name, version)
        try secret.check(at: .now(), name)
        // `exp` can be changed without a new version: where there is one, it is told each time.
        if version == nil, known == secret.version, secret.expires == nil {
            return .unchanged(timeToLive: nil)
        }
        return .value(
            ProviderValue(
                try secret.value(reference.field, name), secret.version, expires: secret.expires))
    }

    /// A 404 of something else says nothing of the secret.
    static func isAbsence(_ answer: ProviderResponse) -> Bool {
        answer.status == 404 && AzureAnswer.code(of: answer) == "SecretNotFound"
    }

    // MARK: Asking

    /// With a token; once more with a new one if that is refused: it may have been revoked.
    func ask(
        _ method: HTTPMethod, _ path: String, _ body: ByteBuffer?
    ) async throws(ProviderFailure) -> ProviderResponse {
        let token = try await tokens.token()
        let answer = try await send(method, path, body, token)
        guard answer.status == 401 else { return answer }
        let another = try await tokens.token(after: token)
        return try await send(method, path, body, another)
    }

    private func send(
        _ method: HTTPMethod, _ path: String, _ body: ByteBuffer?, _ token: SecretValue
    ) async throws(ProviderFailure) -> ProviderResponse {
        var request = ProviderRequest(method, settings.url, "/\(path)?\(AzureAnswer.version)")
        request.body = body
        try request.set("Authorization", to: token, kind: "Bearer ")
        return try await http.send(request)
    }
}
