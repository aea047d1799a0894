import NIOSSL
import Secrets

/// Which region it is, and who we are there.
struct AWSSettings: Sendable {
    let region: String
    let url: ProviderURL
    let login: AWSLogin
    /// What the names of new secrets begin with.
    let prefix: String
    let tls: TLSConfiguration

    /// - Throws: `.malformed`, naming the setting.
    init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        region = try configuration.required("region")
        guard region.utf8.count <= 32,
            region.utf8.allSatisfy({ isUnreserved($0) && !"._~".utf8.contains($0) })
        else { throw ProviderFailure(.malformed, "region is not one, for example eu-central-1") }
        let domain = region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
        url = try ProviderURL(
            try configuration.oneLine("endpoint") ?? "https://secretsmanager.\(region).\(domain)",
            setting: "endpoint")
        login = try AWSLogin(
            configuration, standard: "https://sts.\(region).\(domain)")
        prefix = try configuration.headerText("vault_secret_prefix") ?? ""
        guard AWSName.isName(prefix) else {
            throw ProviderFailure(.malformed, "vault_secret_prefix has characters that no name there has")
        }
        tls = try ProviderTLS.client(configuration)
    }
}

/// How we say who we are.
enum AWSLogin: Sendable {
    case keys(AWSCredentials)
    /// A token of somebody whom a role trusts, for example a Kubernetes cluster.
    case webIdentity(role: String, file: String, sts: ProviderURL)
    /// What the agent of ECS or EKS gives, and the file with what it wants to see first.
    case container(ProviderURL, path: String, tokenFile: String?)
    /// The role of this machine.
    case instance

    init(_ configuration: ProviderConfiguration, standard: String) throws(ProviderFailure) {
        switch try configuration.oneLine("login") ?? "keys" {
        case "keys":
            self = .keys(
                AWSCredentials(
                    id: try Self.keyID(configuration), secret: try configuration.secret("secret_access_key"),
                    token: configuration["session_token"].flatMap { $0.count > 0 ? $0 : nil }))
        case "web_identity":
            let sts = try configuration.oneLine("sts_endpoint") ?? standard
            self = .webIdentity(
                role: try configuration.required("role_arn"), file: try configuration.required("jwt_file"),
                sts: try ProviderURL(sts, setting: "sts_endpoint"))
        case "container":
            let (url, path) = try ProviderURL.containerCredentials(
                try configuration.required("container_credentials_uri"))
            self = .container(url, path: path, tokenFile: try configuration.oneLine("container_token_file"))
        case "instance": self = .instance
        default: throw ProviderFailure(.malformed, "login is keys, web_identity, container or instance")
        }
    }

    private static func keyID(_ configuration: ProviderConfiguration) throws(ProviderFailure) -> String {
        let text = try configuration.required("access_key_id")
        guard text.utf8.count <= 128, text.utf8.allSatisfy({ isUnreserved($0) }) else {
            throw ProviderFailure(.malformed, "access_key_id is not one")
        }
        return text
    }
}

/// What a secret is called there, or its ARN.
enum AWSName {
    /// 1 to 512 letters, digits and `/_+=.@-`; an ARN has colons besides.
    static func isName(_ text: String) -> Bool {
        text.utf8.count <= 2048 && text.utf8.allSatisfy { isUnreserved($0) || "/+=@:".utf8.contains($0) }
    }
}
