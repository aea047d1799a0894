package import Secrets

/// Which provider a configuration is of.
package enum ProviderFactory {
    /// - Throws: `.malformed`, naming the setting that cannot be right.
    package static func provider(
        _ kind: ProviderKind, _ configuration: ProviderConfiguration
    ) throws(ProviderFailure) -> any Provider {
        switch kind {
        case .vault: try Vault(configuration)
        case .azureKeyVault: try AzureKeyVault(configuration)
        case .awsSecretsManager: try AWSSecretsManager(configuration)
        }
    }

    /// `configuration` with what its settings stand for that can be used once (`ProviderSetting.isOnce`).
    package static func exchange(
        _ kind: ProviderKind, _ configuration: ProviderConfiguration
    ) async throws(ProviderFailure) -> ProviderConfiguration {
        switch kind {
        case .vault where configuration["wrapped_secret_id"] != nil:
            try await VaultUnwrapping.exchange(configuration)
        case .vault, .azureKeyVault, .awsSecretsManager: configuration
        }
    }
}
