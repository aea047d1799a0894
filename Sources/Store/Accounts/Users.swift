import FoundationEssentials
package import Secrets

/// What of a user is to be changed; nil and empty: as it is.
package struct UserUpdate: Sendable {
    package var addedRoles: [Role]
    package var removedRoles: [Role]
    package var isDisabled: Bool?

    package init(addedRoles: [Role] = [], removedRoles: [Role] = [], isDisabled: Bool? = nil) {
        self.addedRoles = addedRoles
        self.removedRoles = removedRoles
        self.isDisabled = isDisabled
    }
}

/// Users of the API. A change holds for their next request: nothing of them is kept anywhere else.
extension SecretStore {
    /// By name.
    package func users() throws(StoreError) -> [User] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.users)], at: nil)
        }
        var users: [User] = []
        for record in snapshot.records {
            guard let name = Keys.userName(record.key) else { throw .damaged(record: record.key.text) }
            users.append(try foundUser(name, record).value)
        }
        return users
    }

    /// - Throws: `.userMissing`.
    package func user(_ name: UserName) throws(StoreError) -> User {
        guard let found = try findUser(name) else { throw .userMissing(name) }
        return found.value
    }

    /// By name alone: nothing is opened.
    package func hasUser(_ name: UserName) throws(StoreError) -> Bool { try userRecord(name) != nil }

    /// - Parameter password: 12 to 1,024 bytes; nil for a user who has only API keys.
    /// - Throws: `.userExists`, `.passwordLength`, `.tooManyRoles`.
    @discardableResult
    package func createUser(
        _ name: UserName, roles: [Role], password: SecretValue?, by actor: Actor = .thisProcess
    ) throws(StoreError) -> User {
        let now = Timestamp.now()
        var user = User(name: name, id: UUID(), created: now, modified: now, roles: User.inOrder(roles))
        try check(user)
        // Seen before the work of a password, and before anything is recorded.
        guard try !hasUser(name) else { throw .userExists(name) }
        user.verifier = try verifier(of: password)
        let (key, detail) = (Keys.user(name), user.roles.map { "+\($0)" })
        return try retrying("user \(name)") { () throws(StoreError) in
            do throws(StoreError) {
                try put(user, if: .absent(key), .userCreate, detail, by: actor)
            } catch .storage(.conflict(key)) {
                throw .userExists(name)
            }
            return user
        }
    }

    /// - Throws: `.userMissing`, `.roleMissing`, `.tooManyRoles`.
    @discardableResult
    package func updateUser(
        _ name: UserName, _ update: UserUpdate, by actor: Actor = .thisProcess
    ) throws(StoreError) -> User {
        try changing(name, by: actor) { user throws(StoreError) in
            for role in update.removedRoles where !user.roles.contains(role) {
                throw .roleMissing(name, role)
            }
            let kept = user.roles.filter { !update.removedRoles.contains($0) }
            let roles = User.inOrder(kept + update.addedRoles)
            var details = roles.filter { !user.roles.contains($0) }.map { "+\($0)" }
            details += user.roles.filter { !roles.contains($0) }.map { "-\($0)" }
            user.roles = roles
            try check(user)
            if let isDisabled = update.isDisabled, isDisabled != user.isDisabled {
                user.isDisabled = isDisabled
                details.append(isDisabled ? "disabled" : "enabled")
                if isDisabled { user.endSessions() }
            }
            return details
        }
    }

    /// Replaces the password, or takes it away. Ends the user's sessions, not its API keys.
    ///
    /// - Throws: `.userMissing`, `.passwordLength`.
    @discardableResult
    package func setPassword(
        _ password: SecretValue?, of name: UserName, by actor: Actor = .thisProcess
    ) throws(StoreError) -> User {
        _ = try user(name)
        let verifier = try verifier(of: password)
        return try changing(name, by: actor) { user throws(StoreError) in
            user.verifier = verifier
            user.endSessions()
            return [verifier == nil ? "no password" : "password"]
        }
    }

    /// With all API keys of the user; also one whose record does not open any more.
    ///
    /// - Throws: `.userMissing`.
    package func deleteUser(_ name: UserName, by actor: Actor = .thisProcess) throws(StoreError) {
        try retrying("user \(name)") { () throws(StoreError) in
            let (record, keys) = try userAndKeys(name)
            let event = AuditEvent(.userDelete, by: AuditActor(changingAs: actor), detail: name.text)
            // Whoever makes a key puts the user's record as well, so none can come between.
            try commit(
                if: [.unchanged(record.key, since: record.modified)],
                then: [.delete(record.key)] + keys.map { .delete($0.record.key) }, recording: [event])
        }
    }

    // MARK: Below: shared by the operations

    func findUser(_ name: UserName) throws(StoreError) -> Found<User>? {
        guard let record = try userRecord(name) else { return nil }
        return try foundUser(name, record)
    }

    private func userRecord(_ name: UserName) throws(StoreError) -> StoredRecord? {
        let key = Keys.user(name)
        return try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil).records.first }
    }

    func foundUser(_ name: UserName, _ record: StoredRecord) throws(StoreError) -> Found<User> {
        let user = try decode(record) { bytes throws(RecordFormatError) in try User(name, decoding: bytes) }
        return Found(value: user, record: record)
    }

    /// `user` as it is to be, sealed.
    func sealed(_ user: User) throws(StoreError) -> Transaction.Change {
        var random = RandomBlock()
        let key = Keys.user(user.name)
        return .put(key, try seal(metadata: user.encoded(), under: key, &random))
    }

    /// - Parameter change: answers what it changed, for the audit log; nothing changed, nothing is written.
    private func changing(
        _ name: UserName, by actor: Actor, _ change: (inout User) throws(StoreError) -> [String]
    ) throws(StoreError) -> User {
        try retrying("user \(name)") { () throws(StoreError) in
            guard let found = try findUser(name) else { throw .userMissing(name) }
            var next = found.value
            let details = try change(&next)
            guard next != found.value else { return next }
            next.modified = .now()
            let condition = Transaction.Condition.unchanged(found.record.key, since: found.record.modified)
            try put(next, if: condition, .userUpdate, details, by: actor)
            return next
        }
    }

    private func put(
        _ user: User, if condition: Transaction.Condition, _ action: AuditAction, _ details: [String],
        by actor: Actor
    ) throws(StoreError) {
        let detail = ([user.name.text] + details).joined(separator: " ")
        let event = AuditEvent(action, by: AuditActor(changingAs: actor), detail: detail)
        try commit(if: [condition], then: [try sealed(user)], recording: [event])
    }

    private func check(_ user: User) throws(StoreError) {
        guard user.roles.count <= User.maximumRoles else { throw .tooManyRoles(user.name) }
    }

    private func verifier(of password: SecretValue?) throws(StoreError) -> PasswordVerifier? {
        guard let password else { return nil }
        try Password.check(new: password)
        return try PasswordVerifier(of: password)
    }
}

extension User {
    fileprivate mutating func endSessions() { epoch += 1 }
}
