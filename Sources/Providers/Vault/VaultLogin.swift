import FoundationEssentials
import Glibc
import JSONText
import Secrets

/// How we say who we are.
enum VaultLogin: Sendable {
    case token(SecretValue)
    case appRole(mount: String, role: String, secret: SecretValue)
    /// Kubernetes, or JWT/OIDC with a role.
    case bearer(mount: String, role: String, file: String)
    case certificate(mount: String, role: String?)

    init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        func mount(_ standard: String) throws(ProviderFailure) -> String {
            try VaultPath.encoded(try configuration.oneLine("auth_mount") ?? standard, "auth_mount")
        }
        let kind = try configuration.oneLine("login") ?? "token"
        switch kind {
        case "token": self = .token(try configuration.secret("vault_token"))
        case "approle":
            let secret = try configuration.secret("secret_id")
            self = .appRole(
                mount: try mount("approle"), role: try configuration.required("role_id"), secret: secret)
        case "kubernetes", "jwt":
            let standard = kind == "kubernetes" ? "/var/run/secrets/kubernetes.io/serviceaccount/token" : nil
            guard let file = try configuration.oneLine("jwt_file") ?? standard else {
                throw ProviderFailure(.malformed, "jwt_file is missing")
            }
            self = .bearer(mount: try mount(kind), role: try configuration.required("role"), file: file)
        case "cert": self = .certificate(mount: try mount("cert"), role: try configuration.oneLine("role"))
        default:
            throw ProviderFailure(.malformed, "login is token, approle, kubernetes, jwt or cert")
        }
    }

    var isByCertificate: Bool { if case .certificate = self { true } else { false } }

    /// Read anew each time: whoever made it replaces it before it ends.
    static func token(in file: String) throws(ProviderFailure) -> SecretValue {
        let descriptor = unsafe open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw ProviderFailure(.denied, "the token in \(file) cannot be read")
        }
        defer { close(descriptor) }
        let limit = 65_536
        do {
            let text = try SecretValue(capacity: limit) { span in
                try unsafe span.withUnsafeMutableBytes { buffer, used in
                    while used < limit {
                        let count = unsafe read(
                            descriptor, buffer.baseAddress.map { unsafe $0 + used }, limit - used)
                        if count < 0 && errno == EINTR { continue }
                        guard count >= 0 else { throw CocoaError(.fileReadUnknown) }
                        guard count > 0 else { return }
                        used += count
                    }
                }
            }
            return try text.trimmed()
        } catch {
            throw ProviderFailure(.denied, "the token in \(file) cannot be read")
        }
    }
}

extension SecretValue {
    /// Without blanks and newlines at its ends.
    fileprivate func trimmed() throws -> SecretValue {
        try withBytes { bytes in
            var (start, end) = (0, bytes.byteCount)
            while start < end, bytes.byte(at: start) <= 0x20 { start += 1 }
            while start < end, bytes.byte(at: end - 1) <= 0x20 { end -= 1 }
            return try SecretValue(copying: bytes.extracting(start..<end))
        }
    }
}
