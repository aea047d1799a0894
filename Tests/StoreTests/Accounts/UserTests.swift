import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct `Users of the API` {
    @Test func `are kept with their roles, and changed and deleted by name`() throws {
        try withSecretStore { store, directory in
            #expect(try store.users().isEmpty)
            let roles = try ["viewer", "owner:nlp", "viewer", "collaborator:nlp/A"].map(Role.init)
            let made = try store.createUser(named("bob"), roles: roles, password: nil)
            #expect(made.roles.map(\.description) == ["collaborator:nlp/A", "owner:nlp", "viewer"])
            try store.createUser(named("alice"), roles: [], password: nil)
            let other = try reopen(directory)
            #expect(try other.users().map(\.name.text) == ["alice", "bob"])
            #expect(try other.user(named("bob")) == made)
            #expect(throws: StoreError.userExists(try named("bob"))) {
                try store.createUser(named("bob"), roles: [], password: nil)
            }

            let update = UserUpdate(addedRoles: [.admin], removedRoles: [.viewer, try Role("owner:nlp")])
            try store.updateUser(named("bob"), update)
            let changed = try other.user(named("bob"))
            #expect(changed.roles.map(\.description) == ["admin", "collaborator:nlp/A"])
            #expect(changed.id == made.id && changed.modified > made.modified)

            try store.deleteUser(named("bob"))
            #expect(try other.users().map(\.name.text) == ["alice"])
            for act in [
                { try store.deleteUser(named("bob")) }, { _ = try store.user(named("bob")) },
                { try store.setPassword(nil, of: named("bob")) },
                { try store.updateUser(named("bob"), update) },
                { _ = try store.newKey("bob") }, { _ = try store.apiKeys(of: named("bob")) },
            ] as [() throws -> Void] {
                #expect(throws: StoreError.userMissing(try named("bob"))) { try act() }
            }
        }
    }

    @Test func `lose no role that they do not have, and have at most 256`() throws {
        try withAlice { store, _ in
            #expect(throws: StoreError.roleMissing(try named(), .admin)) {
                try store.updateUser(named(), UserUpdate(addedRoles: [.viewer], removedRoles: [.admin]))
            }
            let many = try (0..<256).map { try Role("owner:o\($0)") }
            #expect(throws: StoreError.tooManyRoles(try named())) {
                try store.updateUser(named(), UserUpdate(addedRoles: many))
            }
            try store.updateUser(named(), UserUpdate(addedRoles: many, removedRoles: [.viewer]))
            #expect(try store.user(named()).roles.count == 256)
            #expect(throws: StoreError.tooManyRoles(try named("bob"))) {
                try store.createUser(named("bob"), roles: many + [.admin], password: nil)
            }
        }
    }

    @Test func `are in the audit log with what was changed, and by whom`() throws {
        try withSecretStore { store, _ in
            try store.createUser(
                named(), roles: [.viewer, .admin], password: nil, by: .user(try named("root")))
            try store.updateUser(
                named(), UserUpdate(addedRoles: [try Role("owner:nlp")], removedRoles: [.admin]))
            try store.updateUser(named(), UserUpdate(isDisabled: true))
            try store.updateUser(named(), UserUpdate(isDisabled: false))
            try store.setPassword(secret(goodPassword), of: named())
            try store.setPassword(nil, of: named())
            let (key, text) = try store.newKey(
                expires: Timestamp(seconds: 4_000_000_000, nanoseconds: 0), isReadOnly: true)
            try store.revokeAPIKey(key.id)
            try store.deleteUser(named())
            #expect(
                try store.recorded().suffix(9) == [
                    "alice +admin +viewer", "alice +owner:nlp -admin", "alice disabled", "alice enabled",
                    "alice password", "alice no password",
                    "alice \(key.id), read only, expires 2096-10-02T07:06:40.000Z",
                    "alice \(key.id), read only, expires 2096-10-02T07:06:40.000Z", "alice",
                ])
            #expect(
                try store.recorded(.action).suffix(9) == [
                    "user.create", "user.update", "user.update", "user.update", "user.update", "user.update",
                    "api-key.create", "api-key.revoke", "user.delete",
                ])
            #expect(try store.recorded(.user) == ["root"])
            let log = try Data(contentsOf: URL(filePath: store.audit.folder.path + "/audit.log"))
            #expect(log.range(of: Data(text.suffix(52).utf8)) == nil)
            #expect(log.range(of: Data(goodPassword.utf8)) == nil)
        }
    }

    /// > Nothing is released or changed before its audit record is written. — ARCHITECTURE.md#rules
    @Test func `are not changed where no audit record can be written`() throws {
        try withAlice { store, _ in
            let (key, text) = try store.newKey()
            store.record(through: BrokenTrail())
            for act in [
                { try store.createUser(named("bob"), roles: [.admin], password: nil) },
                { try store.updateUser(named(), UserUpdate(addedRoles: [.admin])) },
                {
                    try store.setPassword(nil, of: named()); try store.deleteUser(named())
                },
                { _ = try store.newKey() }, { try store.revokeAPIKey(key.id) },
            ] as [() throws -> Void] {
                #expect(throws: StoreError.audit(.missing(path: "x"))) { try act() }
            }
            #expect(try store.users().map(\.roles) == [[.viewer]])
            #expect(try store.apiKeys().map(\.id) == [key.id])
            #expect(try store.who(text)?.user.text == "alice")
        }
    }

    @Test func `that nothing is changed of are not written again`() throws {
        try withAlice { store, _ in
            let before = try store.revision()
            try store.updateUser(named(), UserUpdate(addedRoles: [.viewer], isDisabled: false))
            #expect(try store.revision() == before)
        }
    }

    @Test func `change at once for all who change the same one`() async throws {
        let roles = try (0..<16).map { try Role("owner:o\($0)") }
        try await withThrowingTaskGroup { group in
            let directory = FileManager.default.temporaryDirectory.appending(path: "users-\(UUID())").path
            try FileManager.default.createDirectory(
                atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
            defer { try? FileManager.default.removeItem(atPath: directory) }
            let root = try RootKey.random()
            let file = try RootKeyFile(directory + "/root.key")
            try file.create(root)
            let store = try SealedStore.create(at: directory, source: .file(path: file.path), root: root)
            try store.createUser(named(), roles: [], password: nil)
            for role in roles {
                group.addTask {
                    try reopen(directory).updateUser(try named(), UserUpdate(addedRoles: [role]))
                }
            }
            try await group.waitForAll()
            #expect(try store.user(named()).roles == roles.sorted())
        }
    }
}

private struct BrokenTrail: AuditTrail {
    func record(_ events: [AuditEvent]) throws(AuditError) { throw .missing(path: "x") }
    func record(
        _ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void
    ) throws(AuditError) -> Bool { throw .missing(path: "x") }
}
