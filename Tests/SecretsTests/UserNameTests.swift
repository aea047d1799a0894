import Foundation
import Secrets
import Testing

@Suite struct `Names of users and roles` {
    @Test(arguments: ["a", "alice", "a.b-c_d9", "uid", "user", String(repeating: "a", count: 64)])
    func `are taken as they are`(_ text: String) throws {
        #expect(try UserName(text).text == text)
    }

    @Test(
        arguments: [
            "", "A", "Alice", "aLice", "1a", ".a", "-a", "_a", "a b", "uid 0", "a/b", "a:b", "a\n", "ä",
            "аlice",
            "a\u{0}", "a%41", String(repeating: "a", count: 65),
        ])
    func `are refused, and not repeated`(_ text: String) {
        let error = #expect(throws: NameError.self) { try UserName(text) }
        #expect(text.count < 3 || error?.description.contains(text) == false)
    }

    @Test(arguments: ["admin", "viewer", "owner:nlp", "collaborator:nlp/Summarizer", "owner:a.b-c"])
    func `are read as they are written`(_ text: String) throws {
        #expect(try Role(text).description == text)
    }

    @Test(
        arguments: [
            "", "Admin", "admin ", "admin:", "admin:nlp", "viewer:nlp", "owner", "owner:",
            "owner:nlp/Summarizer",
            "owner:nlp:x", "owner:*", "collaborator", "collaborator:nlp", "collaborator:nlp/*",
            "collaborator:nlp/a/b", "root", ":", "owner: nlp",
        ])
    func `that no role has are none`(_ text: String) {
        #expect(throws: NameError.self) { try Role(text) }
    }

    @Test func `of a user of the API and of a machine are never the same actor`() throws {
        #expect(Actor.user(try UserName("alice")).text == "user alice")
        #expect(AuditActor(changingAs: .user(try UserName("alice"))) == AuditActor(user: "alice"))
        #expect(AuditActor(changingAs: .user(4_294_967_294)) == AuditActor(uid: 4_294_967_294))
        #expect(Actor.user(try UserName("uid")) != Actor.user(0))
    }

    @Test func `are the only thing that an audit record has of who was let in`() throws {
        let alice = try UserName("alice")
        let principal = Principal(
            user: alice, roles: [.admin], key: nil, isReadOnly: false,
            stamp: SessionStamp(user: UUID(), epoch: 1))
        AuditActor.$current.withValue(AuditActor(user: "bob")) {
            #expect(principal.auditActor == AuditActor(user: "alice"))
        }
    }
}
