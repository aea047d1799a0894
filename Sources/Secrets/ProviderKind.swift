/// What an external provider is made by.
package enum ProviderKind: String, CaseIterable, Sendable {
    /// HashiCorp Vault or OpenBao, KV version 1 or 2.
    case vault
    case azureKeyVault = "azure-key-vault"
    case awsSecretsManager = "aws-secrets-manager"
}

/// What a provider allows besides reading. By its kind and its configuration, not by what its policies say.
package struct ProviderCapabilities: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8
    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// A value can be put where there is none.
    package static let create = ProviderCapabilities(rawValue: 1)
    /// A value can be replaced.
    package static let update = ProviderCapabilities(rawValue: 2)
    package static let delete = ProviderCapabilities(rawValue: 4)

    package static let all: ProviderCapabilities = [.create, .update, .delete]
    package static let readOnly: ProviderCapabilities = []
}
