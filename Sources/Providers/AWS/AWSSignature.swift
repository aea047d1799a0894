import Crypto
import JSONText
import NIOCore
import NIOHTTP1
import Secrets

/// What AWS knows us by, for a while.
final class AWSCredentials: Sendable {
    let id: String
    let secret: SecretValue
    /// With credentials that end.
    let token: SecretValue?

    init(id: String, secret: SecretValue, token: SecretValue?) {
        (self.id, self.secret, self.token) = (id, secret, token)
    }
}

/// Signature Version 4 of one request. Its path is taken as it is sent, and it has no query: Secrets Manager and STS have
/// one path, `/`.
///
/// - Source: AWS, "Create a signed AWS API request"; its published vectors are tests.
struct AWSSignature {
    let region: String
    let service: String
    /// `20150830T123600Z`.
    let time: String

    init(region: String, service: String, time: String = Self.now()) {
        (self.region, self.service, self.time) = (region, service, time)
    }

    /// Adds the headers that say who asks; all headers that are there are signed.
    func sign(_ request: inout ProviderRequest, by credentials: AWSCredentials) throws(ProviderFailure) {
        request.headers.replaceOrAdd(name: "X-Amz-Date", value: time)
        if let token = credentials.token { try request.set("X-Amz-Security-Token", to: token) }
        var headers = request.headers.map { (name: $0.name.lowercased(), value: Self.trimmed($0.value)) }
        headers.append(("host", request.url.host))
        if request.body != nil { headers.append(("content-type", request.contentType)) }
        headers.sort { $0.name < $1.name }
        let names = headers.map(\.name).joined(separator: ";")
        let canonical =
            [request.method.rawValue, request.path, ""] + headers.map { "\($0.name):\($0.value)" }
            + ["", names, Self.hash(of: request.body)]
        let scope = "\(time.prefix(8))/\(region)/\(service)/aws4_request"
        let text = [
            "AWS4-HMAC-SHA256", time, scope,
            hexadecimal(Array(SHA256.hash(data: Array(canonical.joined(separator: "\n").utf8)))),
        ].joined(separator: "\n")
        let signature = hexadecimal(Array(Self.code(text, key(credentials.secret))))
        request.headers.replaceOrAdd(
            name: "Authorization",
            value:
                "AWS4-HMAC-SHA256 Credential=\(credentials.id)/\(scope), SignedHeaders=\(names), Signature=\(signature)"
        )
    }

    private func key(_ secret: SecretValue) -> SymmetricKey {
        // It is wiped when it is freed (CWipingFree).
        let first = secret.withBytes { bytes in
            Array("AWS4".utf8) + (0..<bytes.byteCount).map { bytes.byte(at: $0) }
        }
        var key = SymmetricKey(data: first)
        for part in [String(time.prefix(8)), region, service, "aws4_request"] {
            key = SymmetricKey(data: Array(Self.code(part, key)))
        }
        return key
    }

    private static func code(_ text: String, _ key: SymmetricKey) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: key)
    }

    private static func hash(of body: ByteBuffer?) -> String {
        var hash = SHA256()
        if let body { unsafe body.withUnsafeReadableBytes { unsafe hash.update(bufferPointer: $0) } }
        return hexadecimal(Array(hash.finalize()))
    }

    private static func trimmed(_ value: String) -> String {
        value.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
    }

    private static func now() -> String {
        // `2015-08-30T12:36:00.000Z`, whatever the locale is.
        let text = Timestamp.now().description
        return text.prefix(19).filter { $0 != "-" && $0 != ":" } + "Z"
    }
}
