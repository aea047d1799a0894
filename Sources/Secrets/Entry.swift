/// A secret as one mount shows it: all that a listing needs, and the means to open the value.
package struct Entry: Sendable {
    package let name: EnvironmentName
    package let secret: SecretID
    package let version: Version
    package let delivery: Delivery
    /// The value's length in bytes.
    package let count: Int
    /// When the version was made.
    package let modified: Timestamp
    package let sealed: any SealedEntry
    /// Who may open it: callers that all of these rules let.
    package let callers: [CallerRule]
    /// From this moment on it is not there, even before a new view says so.
    package let expires: Timestamp?
    /// Differs, in this process, where what `EntryDetails` tell differs. Tells nothing of them.
    package let detailsMark: Int
    /// Whether its own record does not open: then only `name` is known, and `sealed` opens nothing.
    package let isUnreadable: Bool
    /// Of an external secret: where its value is.
    package let origin: SecretOrigin?
    /// Of an external secret that is listed and opens nothing: its provider has not given its value, or has not confirmed
    /// it for too long.
    package let isAwaited: Bool
    /// From this moment on its provider does not want the value used: then it is listed and does not open.
    package let valueExpires: Timestamp?

    package init(
        name: EnvironmentName, secret: SecretID, version: Version, delivery: Delivery, count: Int,
        modified: Timestamp, sealed: any SealedEntry, callers: [CallerRule] = [], expires: Timestamp? = nil,
        detailsMark: Int = 0, isUnreadable: Bool = false, origin: SecretOrigin? = nil,
        isAwaited: Bool = false, valueExpires: Timestamp? = nil
    ) {
        self.isAwaited = isAwaited
        self.valueExpires = valueExpires
        self.origin = origin
        self.detailsMark = detailsMark
        self.isUnreadable = isUnreadable
        self.callers = callers
        self.expires = expires
        self.name = name
        self.secret = secret
        self.version = version
        self.delivery = delivery
        self.count = count
        self.modified = modified
        self.sealed = sealed
    }

    /// The same secret, with a value that its provider gave.
    package func holding(
        _ sealed: any SealedEntry, as version: Version, count: Int, made: Timestamp,
        valueExpires: Timestamp?
    ) -> Entry {
        Entry(
            name: name, secret: secret, version: version, delivery: delivery, count: count, modified: made,
            sealed: sealed, callers: callers, expires: expires, detailsMark: detailsMark, origin: origin,
            valueExpires: valueExpires)
    }

    /// The same version, for those who may open `other`, and as long as that is there.
    package func ruled(as other: Entry) -> Entry {
        Entry(
            name: name, secret: secret, version: version, delivery: delivery, count: count,
            modified: modified,
            sealed: sealed, callers: other.callers, expires: other.expires, detailsMark: detailsMark,
            isUnreadable: isUnreadable, origin: origin, isAwaited: isAwaited, valueExpires: valueExpires)
    }

    package func isExpired(at moment: Timestamp) -> Bool { expires.map { $0 <= moment } ?? false }
    /// Asks for the time only where there is an end.
    package var isExpired: Bool { expires != nil && isExpired(at: .now()) }
}

/// What a mount keeps of a secret in memory: sealed bytes (R6).
package protocol SealedEntry: Sendable {
    /// Appends the value, exactly `Entry.count` bytes, to `destination`.
    ///
    /// - Throws: `.damaged`, `.sealed`; then nothing that was written may be used, and the caller wipes it.
    func open(into destination: inout OutputRawSpan) throws(OpenError)

    /// Throws what `open` would throw now for any other reason than damaged bytes, and opens nothing.
    func check() throws(OpenError)

    /// What the extended attributes tell about the secret.
    func details() throws(OpenError) -> EntryDetails
}

/// Why a sealed value did not open.
package enum OpenError: Error, Equatable {
    /// The record was changed, moved or sealed by an unknown key.
    case damaged
    /// The store was sealed: there is no key.
    case sealed
    /// Its provider has not given it, or not confirmed it for too long.
    case awaited
}

package struct EntryDetails: Sendable {
    package let displayName: DisplayName
    package let description: Description
    package let provider: ProviderName

    package init(displayName: DisplayName, description: Description, provider: ProviderName) {
        self.displayName = displayName
        self.description = description
        self.provider = provider
    }
}

/// Everything that one algorithm's mounts show, at one moment.
package struct AlgorithmView: Sendable {
    /// Grows whenever anything visible changes; never torn from `entries`.
    package let generation: UInt64
    /// Sorted by name, names unique.
    package let entries: [Entry]
    /// When the newest visible change was made.
    package let modified: Timestamp
    /// When a validity next begins or ends: then there is another view, without any change in the store.
    package let nextChange: Timestamp?
    /// The secrets of owners that it depends on, shown or not.
    package let shared: Set<SharedSecret>
    /// Who may have it mounted.
    package let mounters: UserList

    /// The same, of as many entries.
    package func showing(_ entries: [Entry]) -> AlgorithmView {
        AlgorithmView(
            generation: generation, modified: modified, entries: entries, nextChange: nextChange,
            shared: shared,
            mounters: mounters)
    }

    /// Where the values of its external secrets are, and as of which change of theirs.
    package var origins: [(origin: SecretOrigin, as: Version)] {
        entries.compactMap { entry in entry.origin.map { ($0, entry.version) } }
    }

    /// Whose own records do not open.
    package var unreadable: [EnvironmentName] { entries.filter(\.isUnreadable).map(\.name) }

    package init(
        generation: UInt64, modified: Timestamp, entries: [Entry], nextChange: Timestamp? = nil,
        shared: Set<SharedSecret> = [], mounters: UserList = UserList()
    ) {
        self.mounters = mounters
        self.generation = generation
        self.modified = modified
        self.entries = entries
        self.nextChange = nextChange
        self.shared = shared
    }
}
