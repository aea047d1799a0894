package import Secrets

/// An external secret store. One value of it talks to one provider with one configuration, and is used by many tasks at
/// once: it logs in once for all of them.
///
/// It has no retry loop of its own, and no clock but what its tokens need: whoever asks decides when to ask again. What
/// it must do itself is what one request means: a login before it, once more after a token was refused, a challenge.
/// A task that is cancelled ends its request.
package protocol Provider: Sendable {
    var capabilities: ProviderCapabilities { get }

    /// Logs in, with new credentials, and reads one thing: `reference`, or where it is nil whatever shows that reading
    /// is allowed.
    ///
    /// - Returns: what was found, in words, a line each.
    func test(_ reference: ProviderReference?) async throws(ProviderFailure) -> [String]

    /// - Parameters:
    ///   - version: that one and no other; nil: the newest.
    ///   - known: what the caller has. Where the provider can tell cheaply that it is the newest still, the value is
    ///     not read.
    func read(
        _ reference: ProviderReference, version: ProviderVersion?, known: ProviderVersion?
    ) async throws(ProviderFailure) -> ProviderReading

    /// Where a new secret is written.
    ///
    /// - Throws: `.malformed` if its name cannot be one there.
    func place(of name: EnvironmentName, in home: SecretHome) throws(ProviderFailure) -> ProviderReference

    /// Puts `value` there, as a new version.
    ///
    /// - Parameter condition: otherwise `.conflict`.
    func write(
        _ value: SecretValue, to reference: ProviderReference, if condition: ProviderCondition
    ) async throws(ProviderFailure) -> ProviderVersion

    /// Deletes what is there; nothing there is no failure.
    func delete(_ reference: ProviderReference) async throws(ProviderFailure)

    /// Gives connections, and tokens that it may give back, back.
    func close() async
}

/// What a read found.
package enum ProviderReading: Sendable {
    /// What the caller has is the newest, and there is no end to it.
    case unchanged(timeToLive: Duration?)
    case value(ProviderValue)
}

package struct ProviderValue: Sendable {
    package let value: SecretValue
    package let version: ProviderVersion
    /// How long the provider lets it be used without asking again; nil: it does not say.
    package let timeToLive: Duration?
    /// From this moment on it must not be used, whatever else is said.
    package let expires: Timestamp?

    package init(
        _ value: SecretValue, _ version: ProviderVersion, timeToLive: Duration? = nil,
        expires: Timestamp? = nil
    ) {
        self.value = value
        self.version = version
        self.timeToLive = timeToLive
        self.expires = expires
    }
}

/// What a write expects to find.
package enum ProviderCondition: Hashable, Sendable {
    case any
    case absent
    /// Where a provider has no such condition, it reads first, and its documentation says what a race can do.
    case version(ProviderVersion)
}
