/// Why a provider did not do what it was asked for (R9).
package struct ProviderFailure: Error, Equatable, Sendable {
    package enum Kind: UInt8, CaseIterable, Sendable {
        /// It says that there is no such secret, version or field. Never said of anything else.
        case absent = 1
        /// It does not let us: a wrong credential, a missing permission, a secret that is disabled.
        case denied = 2
        /// Asked too often.
        case throttled = 3
        /// It does not answer, or says that it cannot now.
        case down = 4
        /// What it says is not what its kind says, or no value that we keep; or our reference or configuration is none.
        case malformed = 5
        /// Somebody else changed the secret first. Only of writes.
        case conflict = 6
    }

    package let kind: Kind
    /// In words for an administrator, on one line, of at most `maximumMessage` bytes. Never anything of a value or a
    /// credential; what a provider says of an error is in it only where it cannot have one.
    package let message: String
    /// In seconds: when it may be asked again, where it says so.
    package let retryAfter: UInt32?

    package static let maximumMessage = 400

    package init(_ kind: Kind, _ message: String, retryAfter: UInt32? = nil) {
        self.kind = kind
        self.message = printable(message, atMost: Self.maximumMessage)
        self.retryAfter = retryAfter
    }
}

extension ProviderFailure.Kind: CustomStringConvertible {
    package var description: String {
        switch self {
        case .absent: "absent"
        case .denied: "denied"
        case .throttled: "throttled"
        case .down: "down"
        case .malformed: "malformed"
        case .conflict: "conflict"
        }
    }
}
