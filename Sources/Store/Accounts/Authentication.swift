package import Secrets

/// Who somebody is. Asked for each request, from the records as they are at that moment: two of them for a key, one for a
/// session. Nil says no and never why; `StoreError` says that it cannot be told.
///
/// Nothing is remembered, so nothing can be stale: a key takes 18 µs. Threads that share a store's one connection wait
/// for it (together they get 13,000 to 29,000 answers a second, where one alone gets 57,000), so who answers many
/// requests at once has a connection for each thread (`Storage.allowReaders`).
extension SecretStore {
    /// The user whose key `text` is.
    ///
    /// That a key of some ID exists can be told by the time that this takes. The ID is not what is kept secret.
    package func authenticate(key text: RawSpan) throws(StoreError) -> Principal? {
        guard let id = APIKeyText.id(of: text), let key = try findKey(id)?.value else { return nil }
        let hash: [UInt8]
        do { hash = try sha256(text) } catch { throw .sealing(error) }
        guard isEqualInConstantTime(unsafe hash.span.bytes, unsafe key.hash.span.bytes),
            !key.isExpired(at: .now()), let user = try findUser(key.user)?.value, user.id == key.userID
        else { return nil }
        return user.principal(key: key)
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
