package import Secrets

/// Who somebody is. Asked for each request, from the records as they are at that moment: two of them for a key, one for a
/// session. Nil says no and never why; `StoreError` says that it cannot be told.
///
/// What is remembered of a key counts as long as there is no other commit (`KnownKeys`), so nothing can be stale. Who
/// answers many requests at once has a connection for each thread (`Storage.allowReaders`).
extension SecretStore {
    /// The user whose key `text` is.
    ///
    /// That a key of some ID exists can be told by the time that this takes. The ID is not what is kept secret.
    package func authenticate(key text: RawSpan, _ known: KnownKeys) throws -> Principal? {
        guard let id = APIKeyText.id(of: text) else { return nil }
        let found = try known.reads.value(of: id, in: self) { () -> KnownKeys.Holder? in
            guard let key = try findKey(id)?.value, let user = try findUser(key.user)?.value,
                user.id == key.userID
            else { return nil }
            return KnownKeys.Holder(key: key, principal: user.principal(key: key))
        }
        guard let found else { return nil }
        let hash = try sha256(text)
        guard isEqualInConstantTime(unsafe hash.span.bytes, unsafe found.key.hash.span.bytes),
            !found.key.isExpired(at: .now())
        else { return nil }
        return found.principal
    }

    /// The user `name`, if `password` is the one that was set.
    ///
    /// Takes 128 MiB and some tenths of a second, for a user who is not there, has no password or is disabled too: who
    /// calls this bounds how many do so at once.
    ///
    /// - Parameter name: nil if what was given is no user's name.
    package func authenticate(user name: UserName?, password: SecretValue) throws(StoreError) -> Principal? {
        var user: User?
        if let name { user = try findUser(name)?.value }
        let isRight =
            if let verifier = user?.verifier { try verifier.fits(password) } else {
                try PasswordVerifier.ofNobody().fits(password)
            }
        guard isRight, let user, user.hasPassword else { return nil }
        return user.principal()
    }

    /// The user `name`, whose session was made with `stamp`; nil if the session has to end.
    package func principal(of name: UserName, stamped stamp: SessionStamp) throws(StoreError) -> Principal? {
        guard let user = try findUser(name)?.value, user.stamp == stamp else { return nil }
        return user.principal()
    }
}

/// Keys that were shown lately, and whose they are.
package final class KnownKeys: Sendable {
    struct Holder: Sendable {
        let key: APIKey
        /// Nil for a user who is disabled.
        let principal: Principal?
    }
    private static let maximumCount = 4096
    let reads = KnownReads<APIKeyID, Holder>(atMost: maximumCount)

    package init() {}
}
