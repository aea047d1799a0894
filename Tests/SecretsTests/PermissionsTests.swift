import Secrets
import Testing

/// Everything that can be asked, of a world with two owners.
private struct Question: Sendable, CustomStringConvertible {
    let description: String
    let ask: @Sendable (Permissions) -> Bool

    init(_ description: String, _ ask: @escaping @Sendable (Permissions) -> Bool) {
        self.description = description
        self.ask = ask
    }
}

private let owners = ["nlp", "vision"]
private let algorithms = ["nlp/Summarizer", "nlp/Titles", "vision/Captions"]
private let roles: [Role] = {
    let texts = ["admin", "viewer"] + owners.map { "owner:\($0)" } + algorithms.map { "collaborator:\($0)" }
    return texts.compactMap { try? Role($0) }
}()

private func owner(_ text: String) throws -> OwnerName { try OwnerName(text) }
private func algorithm(_ text: String) throws -> AlgorithmName { try AlgorithmName(text) }

private func questions() throws -> [Question] {
    var all: [Question] = [
        Question("list providers") { $0.mayListProviders }, Question("see providers") { $0.maySeeProviders },
        Question("manage providers") { $0.mayManageProviders }, Question("audit") { $0.maySeeAudit(of: nil) },
        Question("see users") { $0.maySeeUsers }, Question("manage users") { $0.mayManageUsers },
        Question("see nodes") { $0.maySeeNodes }, Question("manage nodes") { $0.mayManageNodes },
    ]
    for text in owners + algorithms {
        let home = try SecretHome(text)
        all += [
            Question("see \(text)") { $0.maySee(home) },
            Question("change secrets of \(text)") { $0.mayChangeSecrets(of: home) },
            Question("audit of \(text)") { $0.maySeeAudit(of: home) },
        ]
    }
    for text in algorithms {
        let name = try algorithm(text)
        all += [
            Question("delete \(text)") { $0.mayDelete(name) },
            Question("change callers of \(text)") { $0.mayChangeCallers(of: name) },
        ]
    }
    for text in owners {
        let from = try owner(text)
        all.append(Question("create algorithm of \(text)") { $0.mayCreateAlgorithm(of: from) })
        all.append(Question("revoke from \(text)") { $0.mayRevoke(secretOf: from) })
        for grantee in try (algorithms + owners.map { $0 + "/*" }).map(Grantee.init) {
            all.append(Question("grant \(text) to \(grantee)") { $0.mayGrant(secretOf: from, to: grantee) })
        }
    }
    return all
}

/// What each role lets, as a table; `…` stands for all that starts so.
private let table: [(role: String, lets: [String])] = [
    ("viewer", ["list providers", "see …", "audit", "audit of …"]),
    (
        "owner:nlp",
        [
            "list providers", "see nlp", "see nlp/Summarizer", "see nlp/Titles", "change secrets of nlp",
            "change secrets of nlp/Summarizer", "change secrets of nlp/Titles", "audit of nlp",
            "audit of nlp/Summarizer", "audit of nlp/Titles", "delete nlp/Summarizer", "delete nlp/Titles",
            "change callers of nlp/Summarizer", "change callers of nlp/Titles", "create algorithm of nlp",
            "revoke from nlp", "grant nlp to nlp/Summarizer", "grant nlp to nlp/Titles", "grant nlp to nlp/*",
        ]
    ),
    (
        "collaborator:nlp/Summarizer",
        ["list providers", "see nlp/Summarizer", "change secrets of nlp/Summarizer"]
    ),
    ("admin", ["…"]),
]

@Suite struct `What roles permit` {
    @Test func `is nothing without a role`() throws {
        for question in try questions() { #expect(!question.ask(.none), "\(question)") }
    }

    @Test(arguments: table.map(\.role))
    func `is for one role what the table says, and nothing else`(_ text: String) throws {
        let permissions = Permissions([try Role(text)])
        let lets = try #require(table.first { $0.role == text }).lets
        for question in try questions() {
            let isLet = lets.contains { let_ in
                let_.hasSuffix("…")
                    ? question.description.hasPrefix(let_.dropLast(1)) : question.description == let_
            }
            #expect(question.ask(permissions) == isLet, "\(text): \(question)")
        }
    }

    @Test func `of one owner does not reach owners whose names begin alike`() throws {
        let permissions = Permissions([try Role("owner:nlp"), try Role("collaborator:vision/Cap")])
        for text in [
            "nlp2", "nl", "NLP", "nlp2/Summarizer", "nlp.x/A", "vision/Captions", "vision/cap", "vision",
        ] {
            #expect(!permissions.maySee(try SecretHome(text)), "\(text)")
            #expect(!permissions.mayChangeSecrets(of: try SecretHome(text)), "\(text)")
        }
    }

    @Test func `between owners is for who owns both, and for an admin`() throws {
        let (nlp, captions) = (try owner("nlp"), Grantee.algorithm(try algorithm("vision/Captions")))
        for (roles, isLet) in [
            (["owner:nlp"], false), (["owner:vision"], false), (["owner:nlp", "viewer"], false),
            (["owner:nlp", "collaborator:vision/Captions"], false), (["owner:nlp", "owner:vision"], true),
            (["admin"], true),
        ] {
            let permissions = Permissions(try roles.map(Role.init))
            #expect(permissions.mayGrant(secretOf: nlp, to: captions) == isLet, "\(roles)")
        }
    }

    /// The model: of many roles, each alone lets what it lets (grants ask for two things at once); reading only, whatever
    /// is not a question about seeing is refused.
    @Test func `together is what they permit one by one`() throws {
        let questions = try questions()
        for mask in 0..<(1 << roles.count) {
            let some = roles.indices.filter { mask >> $0 & 1 == 1 }.map { roles[$0] }
            let (all, reading) = (Permissions(some), Permissions(some, isReadOnly: true))
            for question in questions {
                let alone = some.contains { question.ask(Permissions([$0])) }
                let isGrant = question.description.hasPrefix("grant")
                let expected = isGrant ? alone || grants(some, question.description) : alone
                #expect(question.ask(all) == expected, "\(some): \(question)")
                let isSight = ["see", "audit", "list"].contains { question.description.hasPrefix($0) }
                #expect(question.ask(reading) == (isSight && expected), "\(some), reading: \(question)")
            }
        }
    }

    /// `grant A to B/…`: who owns A and B.
    private func grants(_ roles: [Role], _ question: String) -> Bool {
        let words = question.split(separator: " ")
        let owned = [words[1], words[3].prefix { $0 != "/" }]
        return owned.allSatisfy { owner in roles.contains { $0.description == "owner:\(owner)" } }
    }
}
