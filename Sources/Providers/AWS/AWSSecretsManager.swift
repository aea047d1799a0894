import JSONText
import NIOCore
import NIOHTTP1
package import Secrets

/// AWS Secrets Manager.
package final class AWSSecretsManager: Provider {
    /// In bytes: 64 KiB.
    static let maximumValue = 65_536

    let settings: AWSSettings
    private let http: ProviderHTTP
    private let keeper: TokenKeeper<AWSCredentials>

    /// - Throws: `.malformed`, naming the setting.
    package convenience init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        try self.init(configuration, metadata: .metadataService)
    }

    /// - Parameter metadata: the metadata service of this machine.
    init(
        _ configuration: ProviderConfiguration, metadata: ProviderURL,
        requestSeconds: Int64 = ProviderHTTP.requestSeconds
    ) throws(ProviderFailure) {
        settings = try AWSSettings(configuration)
        http = ProviderHTTP(settings.tls, seconds: requestSeconds)
        let session = AWSSession(settings, http, metadata: metadata)
        keeper = TokenKeeper<AWSCredentials> { await session.logIn() }
    }

    package var capabilities: ProviderCapabilities { .all }

    package func close() async {
        await keeper.forget()
        await http.close()
    }

    package func test(_ reference: ProviderReference?) async throws(ProviderFailure) -> [String] {
        await keeper.forget()
        let credentials = try await keeper.token()
        var lines = ["has credentials, \(credentials.id)"]
        guard let reference else {
            lines.append("no reference was given: that reading is allowed was not tried")
            return lines
        }
        if case .value(let found) = try await read(reference, version: nil, known: nil) {
            lines.append("read \(reference): version \(found.version), \(found.value.count) bytes")
        }
        return lines
    }

    // MARK: Reading

    /// There is no cheaper question than for the value: DescribeSecret costs the same and needs another permission. What is
    /// known is `.unchanged` once it was read.
    package func read(
        _ reference: ProviderReference, version: ProviderVersion?, known: ProviderVersion?
    ) async throws(ProviderFailure) -> ProviderReading {
        var members: [String: JSONWriter.Member] = ["SecretId": .text(try name(reference))]
        if let version { members["VersionId"] = .text(version.text) }
        let answer = try await ask("GetSecretValue", members)
        guard answer.status == 200 else { throw AWSAnswer.failure(answer, "reading \(reference.path)") }
        return try AWSAnswer.reading(answer.host) {
            let body = try answer.json()
            guard let found = try body.string("VersionId").flatMap({ ProviderVersion($0) }),
                version.map({ $0 == found }) ?? true
            else {
                throw ProviderFailure(
                    .malformed, "\(answer.host) answers without the version that was asked for")
            }
            if version == nil, known == found { return .unchanged(timeToLive: nil) }
            return .value(ProviderValue(try Self.value(in: body, reference), found))
        }
    }

    private static func value(in body: JSONObject, _ reference: ProviderReference) throws -> SecretValue {
        if let text = try body.value("SecretString") {
            guard let field = reference.field else { return text }
            let buffer = SecretBuffer()
            try text.withBytes { try buffer.write($0, at: 0) }
            do {
                guard let found = try JSONObject(buffer).scalar(field) else {
                    throw ProviderFailure(.absent, "\(reference.path) has no field \(field)")
                }
                return found
            } catch let error as JSONError {
                throw ProviderFailure(
                    .malformed,
                    "\(reference.path) has no field that is a value of this name: \(error.reason)")
            }
        }
        guard let binary = try body.value("SecretBinary") else {
            throw ProviderFailure(.malformed, "\(reference.path) has neither a string nor bytes")
        }
        guard reference.field == nil else {
            throw ProviderFailure(.malformed, "\(reference.path) has bytes, and no fields")
        }
        return try Base64.decoded(binary)
    }

    func name(_ reference: ProviderReference) throws(ProviderFailure) -> String {
        guard AWSName.isName(reference.path) else {
            throw ProviderFailure(
                .malformed, "the reference names no secret: a name or an ARN, and perhaps #FIELD")
        }
        return reference.path
    }

    // MARK: Asking

    /// With credentials; once more with new ones if those have ended.
    func ask(
        _ action: String, _ members: [String: JSONWriter.Member]
    ) async throws(ProviderFailure) -> ProviderResponse {
        let credentials = try await keeper.token()
        let answer = try await send(action, members, credentials)
        let hasEnded = ["ExpiredTokenException", "UnrecognizedClientException"].contains(
            AWSAnswer.type(of: answer))
        guard answer.status == 400 || answer.status == 403, hasEnded, credentials.token != nil else {
            return answer
        }
        let another = try await keeper.token(after: credentials)
        return another === credentials ? answer : try await send(action, members, another)
    }

    private func send(
        _ action: String, _ members: [String: JSONWriter.Member], _ credentials: AWSCredentials
    ) async throws(ProviderFailure) -> ProviderResponse {
        var request = ProviderRequest(.POST, settings.url, "/")
        request.contentType = "application/x-amz-json-1.1"
        request.headers.add(name: "X-Amz-Target", value: "secretsmanager.\(action)")
        request.body = JSONWriter.object(members)
        try AWSSignature(region: settings.region, service: "secretsmanager").sign(&request, by: credentials)
        return try await http.send(request)
    }
}
