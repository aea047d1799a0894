internal import Secrets

/// The 32 bytes that seal a store's keyring. Neither copied nor printed: it is held by one owner, as long as
/// the keyring is being opened or sealed.
package struct RootKey: ~Copyable, Sendable {
    package static let byteCount = 32
    private let value: SecretValue

    /// - Precondition: `value` has 32 bytes.
    init(_ value: SecretValue) {
        precondition(value.count == Self.byteCount)
        self.value = value
    }

    /// A new key from the kernel's random generator.
    package static func random() throws(RootKeyError) -> RootKey {
        do {
            return RootKey(
                try .sealing(capacity: byteCount) { span throws(SealError) in
                    try span.append(randomBytes: byteCount)
                })
        } catch {
            throw .sealing(error)
        }
    }

    /// Lends the bytes for the time of `body`.
    borrowing func withBytes<R, E>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
        try value.withBytes(body)
    }
}

/// A root key that several hold: it is wiped when the last of them lets go.
///
/// Also what a struct that holds a root key and more holds in its place. As a struct that cannot be copied, whose parts
/// were taken one by one, it was released twice in optimised builds (Swift 6.3).
package final class HeldRootKey: Sendable {
    package let key: RootKey
    package init(_ key: consuming RootKey) { self.key = key }
}
