extension ProviderKind {
    /// What a configuration of this kind may say. docs/PROVIDERS.md has the same tables.
    package var settings: [ProviderSetting] {
        switch self {
        case .vault: Self.vaultSettings
        case .azureKeyVault: Self.azureSettings
        case .awsSecretsManager: Self.awsSettings
        }
    }

    private static let vaultSettings = [
        ProviderSetting("vault_addr", "https://HOST:PORT", isRequired: true, isAddress: true),
        ProviderSetting("vault_namespace", "the namespace, if there are any", isIdentity: true),
        ProviderSetting(
            "ca_certificate", "the CA of its certificate in PEM form, if it is no public one", isAddress: true
        ),
        ProviderSetting(
            "login", "token (default), approle, kubernetes, jwt or cert",
            localValues: ["kubernetes", "jwt"]),
        ProviderSetting("auth_mount", "where the login is mounted; default: its name", isIdentity: true),
        ProviderSetting("role", "the role, for kubernetes, jwt and cert", isIdentity: true),
        ProviderSetting("vault_token", "the token, for token", isSecret: true),
        ProviderSetting("role_id", "for approle"),
        ProviderSetting("secret_id", "for approle", isSecret: true),
        ProviderSetting(
            "wrapped_secret_id", "a wrapping token that holds the secret id: unwrapped at once",
            isSecret: true,
            isOnce: true),
        ProviderSetting(
            "jwt_file", "a file with the token, read anew for each login, for kubernetes and jwt",
            isLocal: true),
        ProviderSetting("client_certificate", "in PEM form, for cert"),
        ProviderSetting("client_key", "its private key in PEM form, for cert", isSecret: true),
        ProviderSetting("kv_version", "2 (default) or 1"),
        ProviderSetting(
            "vault_secret_path", "where new secrets are written: MOUNT or MOUNT/FOLDER; default: secret"),
    ]

    private static let azureSettings = [
        ProviderSetting("vault_url", "https://NAME.vault.azure.net", isRequired: true, isAddress: true),
        ProviderSetting(
            "login", "client_secret (default), workload_identity or managed_identity",
            localValues: ["workload_identity", "managed_identity"]),
        ProviderSetting(
            "tenant_id", "the vault's tenant, for client_secret and workload_identity", isIdentity: true),
        ProviderSetting(
            "client_id", "the application; for managed_identity the identity, where a machine has several",
            isIdentity: true),
        ProviderSetting("client_secret", "the application's secret, for client_secret", isSecret: true),
        ProviderSetting(
            "jwt_file", "a file with the token, read anew for each login, for workload_identity",
            isLocal: true),
        ProviderSetting(
            "authority_host", "https://HOST where tokens are asked for, if it is none of Microsoft's",
            isAddress: true),
        ProviderSetting(
            "ca_certificate", "the CA of both in PEM form, if it is no public one", isAddress: true),
        ProviderSetting("vault_secret_prefix", "what the names of new secrets begin with"),
    ]

    private static let awsSettings = [
        ProviderSetting("region", "for example eu-central-1", isRequired: true),
        ProviderSetting(
            "endpoint", "https://HOST, if it is not AWS's own of that region", isAddress: true),
        ProviderSetting(
            "login", "keys (default), web_identity, container or instance",
            localValues: ["web_identity", "container", "instance"]),
        ProviderSetting("access_key_id", "for keys"),
        ProviderSetting("secret_access_key", "for keys", isSecret: true),
        ProviderSetting("session_token", "for keys that end", isSecret: true),
        ProviderSetting("role_arn", "the role, for web_identity", isIdentity: true),
        ProviderSetting(
            "jwt_file", "a file with the token, read anew for each login, for web_identity", isLocal: true),
        ProviderSetting(
            "sts_endpoint", "https://HOST, if it is not AWS's own of that region, for web_identity",
            isAddress: true),
        ProviderSetting(
            "container_credentials_uri", "what AWS_CONTAINER_CREDENTIALS_FULL_URI says, for container",
            isLocal: true),
        ProviderSetting(
            "container_token_file", "what AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE says, for container",
            isLocal: true),
        ProviderSetting(
            "ca_certificate", "the CA of its certificate in PEM form, if it is no public one", isAddress: true
        ),
        ProviderSetting("vault_secret_prefix", "what the names of new secrets begin with"),
    ]
}
