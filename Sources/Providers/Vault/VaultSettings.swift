import NIOSSL
import Secrets

/// How a Vault or OpenBao is reached, and who we are there.
struct VaultSettings: Sendable {
    /// docs/PROVIDERS.md has the same table.
    static let all = [
        ProviderSetting("vault_addr", "https://HOST:PORT", isRequired: true),
        ProviderSetting("vault_namespace", "the namespace, if there are any"),
        ProviderSetting("ca_certificate", "the CA of its certificate in PEM form, if it is no public one"),
        ProviderSetting("login", "token (default), approle, kubernetes, jwt or cert"),
        ProviderSetting("auth_mount", "where the login is mounted; default: its name"),
        ProviderSetting("role", "the role, for kubernetes, jwt and cert"),
        ProviderSetting("vault_token", "the token, for token", isSecret: true),
        ProviderSetting("role_id", "for approle"),
        ProviderSetting("secret_id", "for approle", isSecret: true),
        ProviderSetting(
            "wrapped_secret_id", "a wrapping token that holds the secret id, once", isSecret: true),
        ProviderSetting(
            "jwt_file", "a file with the token, read anew for each login, for kubernetes and jwt"),
        ProviderSetting("client_certificate", "in PEM form, for cert"),
        ProviderSetting("client_key", "its private key in PEM form, for cert", isSecret: true),
        ProviderSetting("kv_version", "2 (default) or 1"),
        ProviderSetting(
            "vault_secret_path", "where new secrets are written: MOUNT or MOUNT/FOLDER; default: secret"),
    ]

    let url: ProviderURL
    let namespace: String?
    let login: VaultLogin
    let isVersioned: Bool
    let tls: TLSConfiguration

    /// - Throws: `.malformed`, naming the setting.
    init(_ configuration: ProviderConfiguration) throws(ProviderFailure) {
        url = try ProviderURL(try configuration.required("vault_addr"), setting: "vault_addr")
        namespace = try configuration.headerText("vault_namespace")
        login = try VaultLogin(configuration)
        switch try configuration.oneLine("kv_version") {
        case nil, "2": isVersioned = true
        case "1": isVersioned = false
        default: throw ProviderFailure(.malformed, "kv_version is 1 or 2")
        }
        tls = try ProviderTLS.client(configuration, needsCertificate: login.isByCertificate)
    }
}

extension ProviderConfiguration {
    func required(_ name: String) throws(ProviderFailure) -> String {
        guard let text = try oneLine(name) else { throw ProviderFailure(.malformed, "\(name) is missing") }
        return text
    }

    /// Nil if it is not there, or empty.
    func oneLine(_ name: String) throws(ProviderFailure) -> String? {
        guard let value = values[name], value.count > 0 else { return nil }
        guard value.count <= 4096, let text = text(name), text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F })
        else {
            throw ProviderFailure(.malformed, "\(name) is not a text on one line")
        }
        return text
    }

    /// What can be a header's value.
    func headerText(_ name: String) throws(ProviderFailure) -> String? {
        guard let text = try oneLine(name) else { return nil }
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw ProviderFailure(
                .malformed, "\(name) has other characters than printable ASCII without blanks")
        }
        return text
    }

    func secret(_ name: String) throws(ProviderFailure) -> SecretValue {
        guard let value = values[name], value.count > 0 else {
            throw ProviderFailure(.malformed, "\(name) is missing")
        }
        return value
    }
}
