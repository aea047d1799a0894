/// One setting of a provider's configuration.
package struct ProviderSetting: Sendable {
    /// As in commands, the API and forms: `vault_addr`.
    package let name: String
    /// What it is, for `--help` and forms: a few words.
    package let about: String
    package let isRequired: Bool
    /// A credential. All settings are sealed; those of others are shown to administrators.
    package let isSecret: Bool
    /// It names a file of the machine: only who may read that may set it.
    package let isLocal: Bool
    /// With these values who the machine is counts, or a file of its: as above.
    package let localValues: Set<String>
    /// It says to whom credentials are sent: where that is, or which certificate proves it.
    package let isAddress: Bool
    /// It says as whom the machine appears there, where it proves itself who it is.
    package let isIdentity: Bool
    /// It can be used once, and is exchanged for what it stands for before it is kept.
    package let isOnce: Bool

    package init(
        _ name: String, _ about: String, isRequired: Bool = false, isSecret: Bool = false,
        isLocal: Bool = false, localValues: Set<String> = [], isAddress: Bool = false,
        isIdentity: Bool = false, isOnce: Bool = false
    ) {
        self.isIdentity = isIdentity
        self.isOnce = isOnce
        self.isAddress = isAddress
        self.isLocal = isLocal
        self.localValues = localValues
        self.name = name
        self.about = about
        self.isRequired = isRequired
        self.isSecret = isSecret
    }
}

/// A provider's configuration: a value for some of its kind's settings. All are kept like values of secrets, for they may be
/// credentials.
package struct ProviderConfiguration: Sendable {
    package static let maximumCount = 65_536
    /// By the setting's name.
    package private(set) var values: [String: SecretValue]

    package init(_ values: [String: SecretValue] = [:]) { self.values = values }

    package subscript(_ name: String) -> SecretValue? {
        get { values[name] }
        set { values[name] = newValue }
    }

    /// A setting that is no credential, as text; nil if it is not there or no UTF-8.
    package func text(_ name: String) -> String? {
        guard let value = values[name] else { return nil }
        return value.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { buffer in
                unsafe String(validating: buffer, as: UTF8.self)
            }
        }
    }
}
