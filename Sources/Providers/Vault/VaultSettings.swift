import NIOSSL
import Secrets

/// How a Vault or OpenBao is reached, and who we are there.
struct VaultSettings: Sendable {
    let url: ProviderURL
    let namespace: String?
    let login: VaultLogin
    let isVersioned: Bool
    /// MOUNT, or MOUNT/FOLDER.
    let secretPath: String
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
        secretPath = try configuration.headerText("vault_secret_path") ?? "secret"
        _ = try VaultPath.encoded(secretPath, "vault_secret_path")
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
