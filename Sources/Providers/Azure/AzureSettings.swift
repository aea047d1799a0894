import NIOSSL
import Secrets

/// Which vault it is, and who we are there.
struct AzureSettings: Sendable {
    let url: ProviderURL
    let login: AzureLogin
    /// The only one that is allowed, where it is set.
    let authority: ProviderURL?
    let prefix: String
    let tls: TLSConfiguration

    /// - Throws: `.malformed`, naming the setting.
    init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        url = try ProviderURL(try configuration.required("vault_url"), setting: "vault_url")
        login = try AzureLogin(configuration)
        if let host = try configuration.oneLine("authority_host") {
            authority = try ProviderURL(host, setting: "authority_host")
        } else {
            authority = nil
        }
        prefix = try configuration.oneLine("vault_secret_prefix") ?? ""
        guard prefix.isEmpty || AzureName.isName(prefix) else {
            throw ProviderFailure(
                .malformed, "vault_secret_prefix has other characters than letters, digits and hyphens")
        }
        tls = try ProviderTLS.client(configuration)
    }
}

/// How we say who we are.
enum AzureLogin: Sendable {
    case clientSecret(tenant: String, client: String, secret: SecretValue)
    /// A token of somebody whom the tenant trusts, for example a Kubernetes cluster.
    case workload(tenant: String, client: String, file: String)
    /// Whoever this machine is; nil where it is only one.
    case machine(client: String?)

    /// Where Azure's webhook puts it in a pod.
    private static let file = "/var/run/secrets/azure/tokens/azure-identity-token"

    init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        switch try configuration.oneLine("login") ?? "client_secret" {
        case "client_secret":
            self = .clientSecret(
                tenant: try Self.tenant(configuration), client: try configuration.required("client_id"),
                secret: try configuration.secret("client_secret"))
        case "workload_identity":
            self = .workload(
                tenant: try Self.tenant(configuration), client: try configuration.required("client_id"),
                file: try configuration.oneLine("jwt_file") ?? Self.file)
        case "managed_identity": self = .machine(client: try configuration.oneLine("client_id"))
        default:
            throw ProviderFailure(
                .malformed, "login is client_secret, workload_identity or managed_identity")
        }
    }

    /// Nil where the machine knows it.
    var tenant: String? {
        switch self {
        case .clientSecret(let tenant, _, _), .workload(let tenant, _, _): tenant
        case .machine: nil
        }
    }

    /// A UUID, or a domain.
    private static func tenant(_ configuration: ProviderConfiguration) throws(ProviderFailure) -> String {
        let text = try configuration.required("tenant_id")
        guard text.utf8.count <= 255, text.first != ".",
            text.utf8.allSatisfy({ isUnreserved($0) && $0 != UInt8(ascii: "~") })
        else { throw ProviderFailure(.malformed, "tenant_id is neither a UUID nor a domain") }
        return text
    }
}
