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
}
