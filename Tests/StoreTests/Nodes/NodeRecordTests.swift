import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct `Nodes in a store` {
    private let key = [UInt8](repeating: 5, count: 32)
    private let mark = [UInt8](repeating: 6, count: 32)

    private func soon(_ seconds: Int64 = 60) -> Timestamp {
        Timestamp(seconds: Timestamp.now().seconds + seconds, nanoseconds: 0)
    }

    private func withAuthority(_ body: (SecretStore) throws -> Void) throws {
        try withSecretStore { store, _ in
            let scalar = try SecretValue(copying: [UInt8](repeating: 1, count: 32).span.bytes)
            _ = try store.keep(Authority(key: scalar, certificate: [1, 2, 3]))
            try body(store)
        }
    }

    private func token(
        _ store: SecretStore, _ name: String = "worker", allowing: [String] = ["nlp/*"],
        expires: Timestamp? = nil
    ) throws -> EnrollmentToken {
        let text = try store.createEnrollment(
            of: try NodeName(name), allowing: try allowing.map { try Grantee($0) }, policy: NodePolicy(),
            expires: expires ?? soon())
        let shown = try #require(text)
        return try #require(try EnrollmentToken(shown))
    }

    private func enroll(_ store: SecretStore, _ token: EnrollmentToken) throws -> Node {
        try store.enroll(
            token.id, token.secret, as: UUID(), sealingKey: key, certificate: mark, by: .thisProcess)
    }

    @Test func `are made of a token, once`() throws {
        try withAuthority { store in
            let token = try token(store)
            let certificate: [UInt8] = [1, 2, 3]
            let pin = try sha256(certificate.span.bytes)
            #expect(token.pin == pin)
            let node = try enroll(store, token)
            #expect(try store.node(node.name) == node)
            #expect(throws: StoreError.enrollmentRefused) { try enroll(store, token) }
            #expect(throws: StoreError.nodeExists(node.name)) { try self.token(store) }
        }
    }

    @Test func `are not made of a token whose time is over, or of another's secret`() throws {
        try withAuthority { store in
            let over = try token(store, expires: soon(-1))
            #expect(throws: StoreError.enrollmentRefused) { try enroll(store, over) }
            let (first, second) = (try token(store, "a"), try token(store, "b"))
            #expect(throws: StoreError.enrollmentRefused) {
                try store.enroll(
                    first.id, second.secret, as: UUID(), sealingKey: key, certificate: mark, by: .thisProcess)
            }
            #expect(try enroll(store, first).name.text == "a")
        }
    }

    @Test func `are made by the newest token of their name, and come back by none`() throws {
        try withAuthority { store in
            let (first, second) = (try token(store), try token(store))
            #expect(throws: StoreError.enrollmentRefused) { try enroll(store, first) }
            let node = try enroll(store, second)
            try store.deleteNode(node.name)
            let third = try token(store)
            #expect(try store.enrollments().map(\.node) == [node.name])
            #expect(try store.deleteEnrollments(of: node.name) == 1)
            #expect(throws: StoreError.enrollmentRefused) { try enroll(store, third) }
            #expect(try store.deleteEnrollments(of: node.name) == 0)
        }
    }

    @Test func `may follow what is allowed and nothing else`() throws {
        try withAuthority { store in
            var node = try enroll(store, try token(store, allowing: ["nlp/*", "vision/Detector"]))
            let may = { (node: Node, name: String) in node.mayFollow(try AlgorithmName(name)) }
            #expect(try may(node, "nlp/Summarizer") && may(node, "vision/Detector"))
            #expect(try !may(node, "vision/Other") && !may(node, "nlp2/A") && !may(node, "NLP/Summarizer"))
            node = try store.updateNode(node.name, NodeUpdate(disallowing: [try Grantee("nlp/*")]))
            #expect(try !may(node, "nlp/Summarizer") && may(node, "vision/Detector"))
            node = try store.updateNode(node.name, NodeUpdate(revokes: true))
            #expect(try !may(node, "vision/Detector"))
            // For ever.
            node = try store.updateNode(node.name, NodeUpdate(allowing: [try Grantee("nlp/*")]))
            #expect(try node.isRevoked && !may(node, "nlp/Summarizer"))
        }
    }

    /// However often the answer to a renewal is lost.
    @Test func `are known by the certificate that they show, and by the newest that were made`() throws {
        try withAuthority { store in
            let node = try enroll(store, try token(store))
            let shown = node.certificates[0]
            func add(_ number: UInt8, shown: [UInt8]) throws -> [[UInt8]] {
                try store.addCertificate([UInt8](repeating: number, count: 32), to: node.name, shown: shown)
                return try store.node(node.name).certificates
            }
            for number in 11...19 as ClosedRange<UInt8> {
                let known = try add(number, shown: shown)
                #expect(known.first == shown && known.last?.first == number && known.count <= 4)
            }
            let known = try add(20, shown: [UInt8](repeating: 19, count: 32))
            #expect(known.map(\.first) == [19, 17, 18, 20])
            // Of a node that is another by now.
            #expect(try add(21, shown: shown) == known)
        }
    }

    @Test func `whose record is moved are damaged`() throws {
        try withAuthority { store in
            let node = try enroll(store, try token(store))
            let records = try store.storage.read([.key(Keys.node(node.name))], at: nil).records
            let record = try #require(records.first)
            let other = try NodeName("other")
            _ = try store.storage.commit(Transaction(if: [], then: [.put(Keys.node(other), record.bytes)]))
            #expect(throws: StoreError.damaged(record: "node/other")) { try store.node(other) }
        }
    }

    @Test func `tokens are read as they are written, and nothing else is one`() throws {
        try withAuthority { store in
            let made = try store.createEnrollment(
                of: try NodeName("worker"), allowing: [], policy: NodePolicy(), expires: soon())
            let text = try #require(made).text
            #expect(text.utf8.count == EnrollmentToken.count && EnrollmentToken.count == 132)
            for wrong in ["", "x" + text.dropFirst(), String(text.dropLast()), text + "0", text.uppercased()]
            {
                #expect(try EnrollmentToken(secret(wrong)) == nil)
            }
        }
    }

    @Test func `keep who they are in a store of their own`() throws {
        try withSecretStore { store, directory in
            #expect(try !store.isNode())
            let keys = try [UInt8(1), 2].map {
                try SecretValue(copying: [UInt8](repeating: $0, count: 32).span.bytes)
            }
            let membership = Membership(
                node: try NodeName("worker"), id: UUID(), host: "::1", port: 8444, authority: [1],
                certificate: [2, 3],
                key: keys[0], sealingKey: keys[1], policy: NodePolicy(maximumStale: 7))
            try store.keep(membership)
            let found = try reopen(directory).membership()
            let again = try #require(found)
            #expect(
                again.node == membership.node && again.id == membership.id && again.server == "[::1]:8444")
            #expect(again.authority == [1] && again.certificate == [2, 3] && again.policy.maximumStale == 7)
            #expect(again.key.hasSameBytes(as: keys[0]) && again.sealingKey.hasSameBytes(as: keys[1]))
            #expect(throws: StoreError.isNode(server: "[::1]:8444")) { try store.checkIsNoNode() }
        }
    }
}
