/// Where the value of an external secret is: at a provider, which is asked for it again and again.
package struct SecretOrigin: Hashable, Sendable {
    package let provider: ProviderName
    package let reference: ProviderReference
    /// This version and no other; nil: the newest.
    package let version: ProviderVersion?
    /// In seconds: how often the provider is asked; nil: as often as it says of itself.
    package let interval: UInt32?
    /// Whether it was put there from here: then it is changed and deleted from here, too.
    package let isWritten: Bool

    package init(
        provider: ProviderName, reference: ProviderReference, version: ProviderVersion? = nil,
        interval: UInt32? = nil, isWritten: Bool = false
    ) {
        self.isWritten = isWritten
        self.provider = provider
        self.reference = reference
        self.version = version
        self.interval = interval
    }

    /// For people and the audit log: no part of a value.
    package var description: String {
        "\(provider) \(reference)" + (version.map { " version \($0)" } ?? "")
    }
}
