import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct `An API key` {
    @Test func `lets its user in, with what the user may do now`() throws {
        try withAlice { store, directory in
            let (key, text) = try store.newKey()
            #expect(try Regex("sfs_[a-z2-7]{10}_[a-z2-7]{52}").wholeMatch(in: text) != nil)
            #expect(text.hasPrefix("sfs_\(key.id)_"))
            let other = try reopen(directory)
            let alice = try #require(try other.who(text))
            #expect(alice.user.text == "alice" && alice.key == key.id && !alice.isReadOnly)
            #expect(alice.permissions == Permissions([.viewer]) && alice.actor.text == "user alice")
            try store.updateUser(named(), UserUpdate(addedRoles: [.admin], removedRoles: [.viewer]))
            #expect(try other.who(text)?.permissions == Permissions([.admin]))
        }
    }

    @Test func `is another one each time, as is its ID`() throws {
        try withAlice { store, _ in
            let texts = try (0..<20).map { _ in try store.newKey().1 }
            #expect(Set(texts).count == 20 && Set(texts.map { $0.prefix(14) }).count == 20)
        }
    }

    @Test func `of other bytes lets nobody in`() throws {
        try withAlice { store, _ in
            let (_, text) = try store.newKey()
            let (_, other) = try store.newKey()
            for index in text.indices {
                var changed = text
                changed.replaceSubrange(index...index, with: text[index] == "a" ? "b" : "a")
                #expect(try store.who(changed) == nil, "\(changed)")
            }
            for length in 0..<text.count { #expect(try store.who(String(text.prefix(length))) == nil) }
            let (head, secret) = (String(text.prefix(15)), String(text.suffix(52)))
            let zeros = String(repeating: "\u{0}", count: 10)
            let hostile: [String] = [
                "", text + "a", text + "\n", " " + text, text.uppercased(),
                String(repeating: "sfs_", count: 9000),
                head + String(other.suffix(52)), String(other.prefix(15)) + secret,
                "sfs_../../user_" + secret, "sfs_" + zeros + "_" + secret,
            ]
            for text in hostile { #expect(try store.who(text) == nil, "\(text)") }
            #expect(try store.who(text) != nil)
        }
    }

    @Test func `is refused once it has expired, was revoked, or its user is disabled or deleted`() throws {
        try withAlice { store, directory in
            let now = Timestamp.now()
            let past = Timestamp(seconds: now.seconds - 1, nanoseconds: 0)
            let (_, expired) = try store.newKey(expires: past)
            #expect(try store.who(expired) == nil)
            let soon = Timestamp(seconds: now.seconds + 1, nanoseconds: now.nanoseconds)
            let (_, short) = try store.newKey(expires: soon)
            #expect(try store.who(short) != nil)
            while Timestamp.now() < soon { usleep(20_000) }
            #expect(try store.who(short) == nil)

            let (key, text) = try store.newKey()
            let other = try reopen(directory)
            try store.updateUser(named(), UserUpdate(isDisabled: true))
            #expect(try other.who(text) == nil)
            try store.updateUser(named(), UserUpdate(isDisabled: false))
            #expect(try other.who(text) != nil)
            try store.revokeAPIKey(key.id)
            #expect(try other.who(text) == nil)
            #expect(throws: StoreError.apiKeyMissing(key.id)) { try store.revokeAPIKey(key.id) }

            let (_, last) = try store.newKey()
            try store.deleteUser(named())
            #expect(try other.who(last) == nil)
            #expect(try store.accountRecords().isEmpty, "its keys are gone with it")
        }
    }

    @Test func `that may only read changes nothing, whatever its user may do`() throws {
        try withAlice { store, _ in
            try store.updateUser(named(), UserUpdate(addedRoles: [.admin]))
            let (key, text) = try store.newKey(isReadOnly: true)
            let alice = try #require(try store.who(text))
            #expect(key.isReadOnly && alice.isReadOnly)
            #expect(try alice.permissions.maySee(home()) && !alice.permissions.mayChangeSecrets(of: home()))
            #expect(!alice.permissions.mayManageUsers && alice.permissions.maySeeUsers)
        }
    }

    @Test func `does not come back for a new user of the name, though storage puts it back`() throws {
        try withAlice { store, _ in
            let (_, text) = try store.newKey()
            let old = try store.accountRecords().filter { $0.key.text.hasPrefix("api-key/") }
            try store.deleteUser(named())
            try store.createUser(named(), roles: [.admin], password: nil)
            try store.storage.commit(Transaction(then: old.map { .put($0.key, $0.bytes) }))
            #expect(try store.who(text) == nil)
            try store.deleteUser(named())
            #expect(try store.accountRecords().isEmpty, "deleted as a key of that name")
        }
    }

    @Test func `is one of at most 100 of its user`() throws {
        try withAlice { store, _ in
            try store.createUser(named("bob"), roles: [], password: nil)
            for _ in 0..<100 { _ = try store.newKey() }
            #expect(throws: StoreError.tooManyKeys(try named())) { try store.newKey() }
            _ = try store.newKey("bob")
            #expect(try store.apiKeys(of: named()).count == 100)
            #expect(try store.apiKeys().map(\.user.text) == Array(repeating: "alice", count: 100) + ["bob"])
        }
    }

    @Test func `survives a rotation of the data key, as its user does`() throws {
        try withAlice { store, directory in
            let (_, text) = try store.newKey()
            let command = try reopenKeeping(directory)
            try KeyRotation(command).rotate()
            #expect(try command.keyUsage().left == 0 && command.keyUsage().keys.count == 1)
            let after = try reopen(directory)
            #expect(try after.who(text)?.user.text == "alice")
            #expect(try after.damagedRecords { _ in true }.count == 0)
        }
    }
}

@Suite struct `A password` {
    @Test func `lets its user in, and nothing else does`() throws {
        try withSecretStore { store, directory in
            let password = try secret(goodPassword)
            try store.createUser(named(), roles: [.viewer], password: password)
            let alice = try #require(
                try reopen(directory).authenticate(user: named(), password: secret(goodPassword)))
            #expect(alice.user.text == "alice" && alice.key == nil && alice.permissions.roles == [.viewer])
            for wrong in ["", goodPassword + " ", String(goodPassword.dropLast()), goodPassword.uppercased()]
            {
                #expect(try store.authenticate(user: named(), password: secret(wrong)) == nil, "\(wrong)")
            }
            #expect(try store.authenticate(user: named("bob"), password: password) == nil)
            #expect(try store.authenticate(user: nil, password: password) == nil)
            try store.updateUser(named(), UserUpdate(isDisabled: true))
            #expect(try store.authenticate(user: named(), password: password) == nil)
            try store.updateUser(named(), UserUpdate(isDisabled: false))
            try store.setPassword(nil, of: named())
            #expect(try store.authenticate(user: named(), password: password) == nil)
        }
    }

    @Test func `has 12 to 1,024 bytes when it is chosen`() throws {
        try withAlice { store, _ in
            for count in [0, 11, 1025] {
                let text = String(repeating: "x", count: count)
                #expect(throws: StoreError.passwordLength) {
                    try store.setPassword(secret(text), of: named())
                }
                #expect(throws: StoreError.passwordLength) {
                    try store.createUser(named("bob"), roles: [], password: secret(text))
                }
            }
            for count in [12, 1024] {
                let text = String(repeating: "x", count: count)
                try store.setPassword(secret(text), of: named())
                #expect(try store.authenticate(user: named(), password: secret(text)) != nil)
            }
            #expect(try store.users().count == 1)
        }
    }

    @Test func `takes as long for a user who is not there, has none, or is disabled`() throws {
        try withAlice { store, _ in
            try store.createUser(named("bob"), roles: [], password: secret(goodPassword))
            try store.createUser(named("carol"), roles: [], password: secret(goodPassword))
            try store.updateUser(named("carol"), UserUpdate(isDisabled: true))
            let password = try secret("planted wrong password")
            func time(_ name: UserName?) throws -> Duration {
                var times: [Duration] = []
                for _ in 0..<3 {
                    let start = ContinuousClock.now
                    #expect(try store.authenticate(user: name, password: password) == nil)
                    times.append(ContinuousClock.now - start)
                }
                return times.min() ?? .zero
            }
            let known = try time(named("bob"))
            for name in [nil, try named(), try named("carol"), try named("nobody")] as [UserName?] {
                let unknown = try time(name)
                #expect(unknown > known / 2 && known > unknown / 2, "\(known) and \(unknown)")
            }
        }
    }
}

@Suite struct `A session` {
    @Test func `lives on with new roles, and ends with a new password, a disabled user and another one`()
        throws
    {
        try withAlice { store, directory in
            let stamp = try store.user(named()).stamp
            let other = try reopen(directory)
            func isAlive() throws -> Bool { try other.principal(of: named(), stamped: stamp) != nil }
            try store.updateUser(named(), UserUpdate(addedRoles: [.admin]))
            _ = try store.newKey()
            #expect(try other.principal(of: named(), stamped: stamp)?.permissions.mayManageUsers == true)
            try store.setPassword(secret(goodPassword), of: named())
            #expect(try !isAlive())

            let second = try store.user(named()).stamp
            #expect(try other.principal(of: named(), stamped: second)?.stamp == second)
            try store.updateUser(named(), UserUpdate(isDisabled: true))
            #expect(try other.principal(of: named(), stamped: store.user(named()).stamp) == nil)
            try store.updateUser(named(), UserUpdate(isDisabled: false))
            #expect(try other.principal(of: named(), stamped: second) == nil)

            let third = try store.user(named()).stamp
            try store.deleteUser(named())
            #expect(try other.principal(of: named(), stamped: third) == nil)
            try store.createUser(named(), roles: [.admin], password: nil)
            for old in [stamp, second, third] {
                #expect(try other.principal(of: named(), stamped: old) == nil)
            }
        }
    }
}
