import Secrets
import Store
import Testing

@Suite struct `What an algorithm sees` {
    /// > What an algorithm may not see does not exist for it. — docs/SEMANTICS.md#visibility
    @Test(arguments: 1...12) func `is what a model of the rules says, whatever is done`(_ seed: UInt64) throws
    {
        try withSecretStore { store, _ in
            var walk = VisibilityWalk(store, seed)
            for step in 0..<150 {
                try walk.step()
                let difference = try walk.difference()
                #expect(difference == nil, "step \(step)")
                if difference != nil { return }
            }
        }
    }

    @Test func `and the model notices a store that forgets to delete`() throws {
        try withSecretStore { store, _ in
            var walk = VisibilityWalk(store, 1)
            walk.isBroken = true
            for _ in 0..<300 where try walk.difference() == nil { try walk.step() }
            #expect(try walk.difference() != nil)
        }
    }

    @Test func `explains each secret: where it comes from, by which rule, and what hides it`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "own")], of: home())
            try store.createSecrets([.plain("A", "shared"), .plain("B", "shared")], of: home("nlp"))
            let (owner, a, b) = (try OwnerName("nlp"), try EnvironmentName("A"), try EnvironmentName("B"))
            try store.grant(a, of: owner, to: [.algorithm(algorithm())])
            try store.grant(b, of: owner, to: [.all(owner), .algorithm(algorithm())])
            let found = try store.candidates(for: algorithm())
            #expect(found.map(\.secret.name) == [a, a, b])
            #expect(found.map(\.state) == [.visible, .hidden(by: try home()), .visible])
            #expect(found.map(\.grant) == [nil, .algorithm(try algorithm()), .algorithm(try algorithm())])
        }
    }

    @Test func `grants to all of another owner and to algorithms that are not there are refused`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home("nlp"))
            let (owner, other, name) = (
                try OwnerName("nlp"), try OwnerName("vision"), try EnvironmentName("A")
            )
            #expect(throws: StoreError.grantTooWide(.all(other), owner)) {
                try store.grant(name, of: owner, to: [.all(other)])
            }
            #expect(throws: StoreError.algorithmMissing(try algorithm("vision/Captions"))) {
                try store.grant(name, of: owner, to: [.algorithm(try algorithm("vision/Captions"))])
            }
            #expect(try store.secret(name, of: home("nlp")).grants.isEmpty)
        }
    }

    /// Storage is untrusted (R5): where to look for a grant is only a hint.
    @Test func `a grant that storage put back does not count`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home("nlp"))
            let (owner, name) = (try OwnerName("nlp"), try EnvironmentName("A"))
            try store.grant(name, of: owner, to: [.all(owner)])
            let index = try store.storage.read([.prefix(RecordKey("grant/"))], at: nil).records
            #expect(index.count == 1)
            #expect(try store.texts(algorithm()) == ["A": "1"])
            try store.revoke(name, of: owner, from: [.all(owner)])
            try store.storage.commit(Transaction(then: index.map { .put($0.key, $0.bytes) }))
            #expect(try store.texts(algorithm()).isEmpty)
        }
    }

    /// > leaves no sign — docs/SEMANTICS.md#visibility
    @Test func `the time of a view is that of what it shows`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "own")], of: home())
            let before = try store.view(of: algorithm()).modified
            try store.createSecrets([.plain("A", "shared"), .plain("B", "shared")], of: home("nlp"))
            let (owner, a, b) = (try OwnerName("nlp"), try EnvironmentName("A"), try EnvironmentName("B"))
            var update = SecretUpdate()
            update.validity = Validity(
                notBefore: Timestamp(seconds: 4_000_000_000, nanoseconds: 0), expires: nil)
            try store.updateSecret(b, of: home("nlp"), update)
            try store.grant(a, of: owner, to: [.all(owner)])
            try store.grant(b, of: owner, to: [.all(owner)])
            let view = try store.view(of: algorithm())
            #expect(view.modified == before && view.entries.map(\.name) == [a])
            #expect(view.nextChange == update.validity?.notBefore && view.shared.count == 2)
        }
    }

    /// > It goes on hiding secrets of its name; the others do open. — docs/SEMANTICS.md#what-cannot-be-read
    @Test func `a secret whose record does not open is there and opens nothing, and hides others`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "own"), .plain("B", "own")], of: home())
            try store.createSecrets([.plain("A", "shared")], of: home("nlp"))
            let (owner, name) = (try OwnerName("nlp"), try EnvironmentName("A"))
            try store.grant(name, of: owner, to: [.all(owner)])
            let records = try store.allRecords()
            let damaged = try #require(records.first { $0.key.text == "secret/nlp/Summarizer/A" })
            try store.storage.commit(
                Transaction(then: [.put(damaged.key, damaged.bytes.dropLast() + [0, 0])]))
            let view = try store.view(of: algorithm())
            #expect(view.unreadable == [name] && view.entries.map(\.name.text) == ["A", "B"])
            #expect(throws: OpenError.damaged) { try view.entries[0].bytes() }
            #expect(try view.entries[1].bytes() == Array("own".utf8))
            #expect(throws: StoreError.damaged(record: damaged.key.text)) {
                try store.candidates(for: algorithm())
            }
        }
    }

    @Test func `a view says when it ends, and its generation grows then`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            let limits = (1...3).map { Timestamp(seconds: 2_000_000_000 + $0, nanoseconds: 0) }
            try store.createSecrets([.plain("A", "1"), .plain("B", "2")], of: home())
            for (secret, validity) in [
                ("A", Validity(notBefore: limits[0], expires: limits[2])),
                ("B", Validity(notBefore: nil, expires: limits[1])),
            ] {
                var update = SecretUpdate()
                update.validity = validity
                try store.updateSecret(EnvironmentName(secret), of: home(), update)
            }
            var generations: [UInt64] = []
            var names: [[String]] = []
            for moment in [Timestamp(seconds: 2_000_000_000, nanoseconds: 0)] + limits {
                let view = try store.view(of: algorithm(), at: moment)
                generations.append(view.generation)
                names.append(view.entries.map(\.name.text))
                #expect(view.nextChange == limits.first { moment < $0 })
            }
            #expect(names == [["B"], ["A", "B"], ["A"], []])
            #expect(generations == generations.sorted() && Set(generations).count == 4)
            try store.createSecrets([.plain("C", "3")], of: home())
            #expect(try store.view(of: algorithm(), at: limits[0]).generation > generations[3])
        }
    }
}

/// Random changes, made in a store and in the model at once.
private struct VisibilityWalk {
    private let store: SecretStore
    private var model = VisibilityModel()
    private var random: SeededRandom
    private var count = 0
    /// A store with a fault: what the model must be able to see.
    var isBroken = false
    private static let moment = Timestamp(seconds: 2_000_000_000, nanoseconds: 0)

    init(_ store: SecretStore, _ seed: UInt64) {
        self.store = store
        random = SeededRandom(seed: seed)
    }

    private mutating func pick<T>(_ all: [T]) -> T { all[Int.random(in: 0..<all.count, using: &random)] }
    private mutating func anyAlgorithm() throws -> AlgorithmName {
        try algorithm(pick(["a/One", "a/Two", "b/One", "b/Two"]))
    }
    private mutating func anyHome() throws -> SecretHome {
        try home(pick(["a", "b", "a/One", "a/Two", "b/One", "b/Two"]))
    }
    private mutating func anyName() throws -> EnvironmentName { try EnvironmentName(pick(["A", "B", "C"])) }
    private mutating func anyGrantee() throws -> Grantee {
        try Grantee(pick(["a/One", "a/Two", "b/One", "b/Two", "a/*", "b/*"]))
    }

    mutating func step() throws {
        count += 1
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<15: try createAlgorithm()
        case 15..<18: try deleteAlgorithm()
        case 18..<45: try createSecret()
        case 45..<55: try deleteSecret()
        case 55..<65: try limit()
        case 65..<90: try grant()
        default: try revoke()
        }
    }

    private mutating func createAlgorithm() throws {
        let name = try anyAlgorithm()
        guard model.algorithms.insert(name).inserted else { return }
        try store.createAlgorithm(name)
    }
    private mutating func deleteAlgorithm() throws {
        let name = try anyAlgorithm()
        guard model.algorithms.contains(name) else { return }
        try store.deleteAlgorithm(name)
        model.delete(name)
    }
    private mutating func createSecret() throws {
        let (home, name) = (try anyHome(), try anyName())
        do {
            try store.createSecrets([.plain(name.text, "\(count)")], of: home)
            model.secrets[home, default: [:]][name] = .init(value: "\(count)")
        } catch StoreError.algorithmMissing {
        } catch StoreError.ownerMissing {
        } catch StoreError.secretsExist {
            try store.updateSecret(name, of: home, .value("\(count)"))
            model.secrets[home]?[name]?.value = "\(count)"
        }
    }
    private mutating func deleteSecret() throws {
        let (home, name) = (try anyHome(), try anyName())
        guard model.secrets[home]?[name] != nil else { return }
        if !isBroken { try store.deleteSecret(name, of: home) }
        model.secrets[home]?[name] = nil
    }
    private mutating func limit() throws {
        let (home, name) = (try anyHome(), try anyName())
        guard model.secrets[home]?[name] != nil else { return }
        let before = Timestamp(seconds: Self.moment.seconds - 1, nanoseconds: 0)
        let after = Timestamp(seconds: Self.moment.seconds + 1, nanoseconds: 0)
        let validity = pick([
            .always, Validity(notBefore: before, expires: after), Validity(notBefore: after, expires: nil),
            Validity(notBefore: nil, expires: before), Validity(notBefore: nil, expires: Self.moment),
            Validity(notBefore: Self.moment, expires: nil),
        ])
        var update = SecretUpdate()
        update.validity = validity
        try store.updateSecret(name, of: home, update)
        model.secrets[home]?[name]?.validity = validity
    }
    private mutating func grant() throws {
        let (owner, name, grantee) = (try OwnerName(pick(["a", "b"])), try anyName(), try anyGrantee())
        switch refusal(of: name, owner, grantee) {
        case nil: model.secrets[.owner(owner)]?[name]?.grants.insert(grantee)
        case .grantTooWide(let refused, _):
            #expect(refused == .all(try OwnerName(owner.text == "a" ? "b" : "a")))
        case .algorithmMissing(let missing): #expect(!model.algorithms.contains(missing))
        default: #expect(model.secrets[.owner(owner)]?[name] == nil)
        }
    }
    private func refusal(
        of name: EnvironmentName, _ owner: OwnerName, _ grantee: Grantee
    ) -> StoreError? {
        do {
            try store.grant(name, of: owner, to: [grantee])
            return nil
        } catch { return error }
    }
    private mutating func revoke() throws {
        let (owner, name, grantee) = (try OwnerName(pick(["a", "b"])), try anyName(), try anyGrantee())
        guard model.secrets[.owner(owner)]?[name] != nil else { return }
        try store.revoke(name, of: owner, from: [grantee])
        model.secrets[.owner(owner)]?[name]?.grants.remove(grantee)
    }

    /// Where the store and the model differ.
    func difference() throws -> String? {
        for name in model.algorithms {
            let view = try store.view(of: name, at: Self.moment)
            let pairs = try view.entries.map {
                ($0.name.text, String(decoding: try $0.bytes(), as: UTF8.self))
            }
            let found = Dictionary(uniqueKeysWithValues: pairs)
            let expected = model.visible(to: name, at: Self.moment)
            if found != expected { return "\(name): found \(found), expected \(expected)" }
        }
        return nil
    }
}
