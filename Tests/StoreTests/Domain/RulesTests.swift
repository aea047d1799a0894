import Secrets
import Testing

@testable import Store

@Suite struct `Secrets of an algorithm` {
    @Test func `are shown as they were given, after reopening too`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("B", "two"), .plain("A", "")], of: home())
            #expect(try store.texts(algorithm()) == ["A": "", "B": "two"])
            #expect(try reopen(directory).texts(algorithm()) == ["A": "", "B": "two"])
            #expect(try store.view(of: algorithm()).entries.map(\.name.text) == ["A", "B"])
        }
    }

    @Test func `a new value is the next version, and ten are kept`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home())
            for number in 2...13 {
                #expect(
                    try store.updateSecret(name, of: home(), .value("\(number)")).current.version.number
                        == UInt32(number))
            }
            let secret = try store.secret(name, of: home())
            #expect(secret.versions.map(\.version.number) == Array(4...13))
            #expect(try store.texts(algorithm()) == ["A": "13"])
            #expect(try store.allRecords().filter { $0.key.text.hasPrefix("value/") }.count == 10)
        }
    }

    @Test func `a description can change without a new version`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1")], of: home())
            let before = try store.view(of: algorithm())
            let update = SecretUpdate(displayName: try DisplayName("New name"))
            let secret = try store.updateSecret(EnvironmentName("A"), of: home(), update)
            #expect(secret.current.version == .first && secret.displayName.text == "New name")
            #expect(try store.view(of: algorithm()).generation > before.generation)
            #expect(try store.texts(algorithm()) == ["A": "1"])
        }
    }

    @Test func `a view and the one before keep what did not change once`() throws {
        try withSecretStore { _, directory in
            let store = try reopenKeeping(directory)
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "1"), .plain("B", "2")], of: home())
            let before = try store.view(of: algorithm())
            try store.updateSecret(EnvironmentName("B"), of: home(), .value("3"))
            func kept(_ view: AlgorithmView) -> [Bool] {
                zip(view.entries, before.entries).map {
                    ($0.sealed as AnyObject) === ($1.sealed as AnyObject)
                }
            }
            let after = try store.view(of: algorithm(), after: before)
            #expect(kept(after) == [true, false])
            #expect(try after.entries.map { try $0.bytes() } == [Array("1".utf8), Array("3".utf8)])
            // What is sealed by another key is another record, of the same version.
            try KeyRotation(store).rotate()
            #expect(kept(try store.view(of: algorithm(), after: before)) == [false, false])
        }
    }

    @Test func `creating is all or nothing`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("B", "old")], of: home())
            let before = try store.revision()
            #expect(throws: StoreError.secretsExist([try EnvironmentName("B")], try home())) {
                try store.createSecrets(
                    [.plain("A", "1"), .plain("B", "2"), .plain("C", "3")], of: home())
            }
            #expect(throws: StoreError.dangerousNames([try EnvironmentName("LD_PRELOAD")])) {
                try store.createSecrets([.plain("A", "1"), .plain("LD_PRELOAD", "2")], of: home())
            }
            #expect(try store.texts(algorithm()) == ["B": "old"])
            #expect(try store.revision() == before)
            try store.createSecrets([.plain("A", "1"), .plain("B", "2")], of: home(), existing: .update)
            #expect(try store.texts(algorithm()) == ["A": "1", "B": "2"])
            let name = try EnvironmentName("LD_PRELOAD")
            try store.createSecrets([.plain("LD_PRELOAD", "x")], of: home(), allowing: [name])
            #expect(try store.texts(algorithm())["LD_PRELOAD"] == "x")
        }
    }

    @Test func `what is missing or taken is named`() throws {
        try withSecretStore { store, _ in
            let name = try EnvironmentName("A")
            #expect(throws: StoreError.algorithmMissing(try algorithm())) { try store.view(of: algorithm()) }
            #expect(throws: StoreError.algorithmMissing(try algorithm())) {
                try store.createSecrets([.plain("A", "1")], of: home())
            }
            try store.createAlgorithm(algorithm())
            #expect(throws: StoreError.algorithmExists(try algorithm())) {
                try store.createAlgorithm(algorithm())
            }
            #expect(throws: StoreError.secretMissing(name, try home())) {
                try store.updateSecret(name, of: home(), .value("1"))
            }
            #expect(throws: StoreError.secretMissing(name, try home())) {
                try store.deleteSecret(name, of: home())
            }
        }
    }

    @Test(arguments: [(131_072 - 4, true), (131_072 - 3, false)])
    func `a variable holds what the kernel takes, name and NUL included`(_ count: Int, _ fits: Bool) throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            let bytes = [UInt8](repeating: 65, count: count)
            // "AB" ‖ "=" ‖ value ‖ NUL
            let secret = try NewSecret.plain("AB", bytes)
            if fits {
                try store.createSecrets([secret], of: home())
            } else {
                #expect(throws: StoreError.self) { try store.createSecrets([secret], of: home()) }
                try store.createSecrets([.plain("AB", bytes, delivery: .file)], of: home())
            }
            #expect(try store.view(of: algorithm()).entries[0].bytes() == bytes)
        }
    }

    @Test func `a value with NUL is a file or nothing, also when the delivery changes later`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            let name = try EnvironmentName("A")
            #expect(throws: StoreError.needsFileDelivery(name, reason: "it contains a NUL byte")) {
                try store.createSecrets([.plain("A", [0])], of: home())
            }
            try store.createSecrets([.plain("A", [0], delivery: .file)], of: home())
            #expect(throws: StoreError.needsFileDelivery(name, reason: "it contains a NUL byte")) {
                try store.updateSecret(name, of: home(), SecretUpdate(delivery: .env))
            }
        }
    }

    @Test func `deleting leaves no record behind, and the same name starts anew`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.createAlgorithm(algorithm("nlp/Summarizer2"))
            try store.createSecrets([.plain("A", "1"), .plain("AB", "2")], of: home())
            try store.createSecrets([.plain("A", "3")], of: home("nlp/Summarizer2"))
            try store.deleteSecret(EnvironmentName("A"), of: home())
            #expect(try store.texts(algorithm()) == ["AB": "2"])
            try store.createSecrets([.plain("A", "new")], of: home())
            #expect(try store.secret(EnvironmentName("A"), of: home()).current.version == .first)
            try store.deleteAlgorithm(algorithm())
            #expect(try store.algorithms().map(\.name.text) == ["nlp/Summarizer2"])
            #expect(try store.allRecords().count == 3)
            #expect(try store.texts(algorithm("nlp/Summarizer2")) == ["A": "3"])
        }
    }
}

extension AlgorithmName {
    var text: String { description }
}
