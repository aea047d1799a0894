package import Secrets

/// What to change of a secret; nil leaves it as it is.
package struct SecretUpdate: Sendable {
    package var value: SecretValue?
    package var displayName: DisplayName?
    package var about: Description?
    package var delivery: Delivery?
    package var validity: Validity?
    package var callers: CallerRule?
    /// How many versions are kept from now on, in `Secret.keptVersionsRange`; the oldest beyond them go.
    package var kept: Int?
    /// Only if this is the newest version.
    package var ifVersion: Version?
    /// Only if it is this secret, and not a later one of its name.
    package var ifSecret: SecretID?

    package init(
        value: SecretValue? = nil, displayName: DisplayName? = nil, about: Description? = nil,
        delivery: Delivery? = nil
    ) {
        self.value = value
        self.displayName = displayName
        self.about = about
        self.delivery = delivery
    }

    /// Whether it changes nothing of what people call it, and no delivery.
    package var isEmpty: Bool { displayName == nil && about == nil && delivery == nil }

    /// Everything but the value.
    func apply(to secret: inout Secret) {
        secret.displayName = displayName ?? secret.displayName
        secret.about = about ?? secret.about
        secret.delivery = delivery ?? secret.delivery
        secret.validity = validity ?? secret.validity
        secret.callers = callers ?? secret.callers
        secret.kept = kept ?? secret.kept
    }
}
