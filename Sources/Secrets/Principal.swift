package import FoundationEssentials

/// Somebody who was found to be who they say they are: a user, by a password, a key or a session. True for one
/// request; the next one asks again, so that what was taken away is away.
package struct Principal: Hashable, Sendable {
    package let user: UserName
    package let permissions: Permissions
    /// The key that was shown, if one was.
    package let key: APIKeyID?
    /// What a session of this user has to be compared with.
    package let stamp: SessionStamp

    package init(user: UserName, roles: [Role], key: APIKeyID?, isReadOnly: Bool, stamp: SessionStamp) {
        self.user = user
        permissions = Permissions(roles, isReadOnly: isReadOnly)
        self.key = key
        self.stamp = stamp
    }

    package var isReadOnly: Bool { permissions.isReadOnly }
    /// For histories.
    package var actor: Actor { .user(user) }
    /// For the audit log: `AuditActor.$current.withValue(principal.auditActor) { … }`.
    package var auditActor: AuditActor { AuditActor(user: user.text) }
}

/// What a session was made for. It ends when its user's stamp is another one: with a new password, with the user
/// disabled, and with another user of the same name.
package struct SessionStamp: Hashable, Sendable {
    package let user: UUID
    package let epoch: UInt64

    package init(user: UUID, epoch: UInt64) {
        self.user = user
        self.epoch = epoch
    }
}
