package import Secrets

/// A read that a provider is to be asked for.
package struct ProviderQuestion: Hashable, Sendable {
    package let id: UInt64
    package let provider: ProviderName
    package let reference: ProviderReference
    package let version: ProviderVersion?
    /// What we have: if it is the newest still, it need not be sent.
    package let known: ProviderVersion?

    package init(
        id: UInt64, provider: ProviderName, reference: ProviderReference, version: ProviderVersion? = nil,
        known: ProviderVersion? = nil
    ) {
        self.id = id
        self.provider = provider
        self.reference = reference
        self.version = version
        self.known = known
    }
}

package enum ProviderAnswer<Value: Sendable>: Sendable {
    /// - Parameter timeToLive: in seconds, where the provider says so.
    case unchanged(timeToLive: UInt32?)
    case value(Value, ProviderFacts)
    case failure(ProviderFailure)
}

/// What a provider says of a value besides its bytes.
package struct ProviderFacts: Hashable, Sendable {
    package let version: ProviderVersion
    /// In bytes.
    package let count: Int
    /// In seconds.
    package let timeToLive: UInt32?
    /// From this moment on it must not be used.
    package let expires: Timestamp?

    package init(version: ProviderVersion, count: Int, timeToLive: UInt32? = nil, expires: Timestamp? = nil) {
        self.version = version
        self.count = count
        self.timeToLive = timeToLive
        self.expires = expires
    }
}

/// The last value that a provider gave.
package struct KeptValueOfProvider<Value: Sendable>: Sendable {
    package let value: Value
    package let version: ProviderVersion
    /// In bytes.
    package let count: Int
    /// Another one for each value that is kept, of whatever secret: growing.
    package let number: UInt32
    /// When it was first seen.
    package let made: Timestamp
    package internal(set) var expires: Timestamp?
}

/// What is known of an external secret's value.
package enum ProviderState<Value: Sendable>: Sendable {
    /// - Parameter failing: why it is not confirmed now.
    case value(KeptValueOfProvider<Value>, failing: ProviderFailure?)
    /// The provider said twice that there is none.
    case absent
    case awaited(ProviderFailure?)
}

/// An external secret that has no value now, or none that is confirmed.
package struct ProviderTrouble: Sendable {
    package let origin: SecretOrigin
    package let algorithms: [AlgorithmName]
    /// Nil: no answer has come yet.
    package let failure: ProviderFailure?
    package let hasValue: Bool
    package let isAbsent: Bool
}
