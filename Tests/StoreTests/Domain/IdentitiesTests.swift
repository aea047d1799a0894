import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct `Things are found by their ids` {
    @Test func `algorithms that this process and others make, before and after the first question`() throws {
        try withSecretStore { store, directory in
            let other = try reopen(directory)
            let first = try store.createAlgorithm(algorithm())
            let identities = Identities(store)
            #expect(try identities.algorithm(first.id) == first.name)
            let second = try other.createAlgorithm(algorithm("nlp/Other"))
            #expect(try identities.algorithm(second.id) == second.name)
            #expect(try identities.algorithm(UUID()) == nil)
        }
    }

    @Test func `an algorithm that was deleted, and one that was made again under its name`() throws {
        try withSecretStore { store, directory in
            let identities = Identities(store)
            let first = try store.createAlgorithm(algorithm())
            #expect(try identities.algorithm(first.id) == first.name)
            try reopen(directory).deleteAlgorithm(first.name)
            #expect(try identities.algorithm(first.id) == nil)
            let second = try reopen(directory).createAlgorithm(algorithm())
            #expect(try identities.algorithm(first.id) == nil)
            #expect(try identities.algorithm(second.id) == second.name)
        }
    }

    @Test func `secrets, and never one of another home or of a later secret of the name`() throws {
        try withSecretStore { store, directory in
            let identities = Identities(store)
            try store.createAlgorithm(algorithm())
            try store.createAlgorithm(algorithm("nlp/Other"))
            let made = try store.createSecrets([.plain("A", "1"), .plain("B", "2")], of: home())
            for secret in made { #expect(try identities.secret(secret.id, of: home())?.name == secret.name) }
            #expect(try identities.secret(made[0].id, of: home("nlp/Other")) == nil)
            try reopen(directory).deleteSecret(made[0].name, of: home())
            #expect(try identities.secret(made[0].id, of: home()) == nil)
            let again = try reopen(directory).createSecrets([.plain("A", "3")], of: home())[0]
            #expect(try identities.secret(made[0].id, of: home()) == nil)
            #expect(try identities.secret(again.id, of: home())?.id == again.id)
        }
    }

    @Test func `a change that is meant for one secret is not made to a later one of its name`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            let first = try store.createSecrets([.plain("A", "1")], of: home())[0]
            try store.deleteSecret(first.name, of: home(), ifSecret: first.id)
            let second = try store.createSecrets([.plain("A", "2")], of: home())[0]
            let missing = StoreError.secretMissing(first.name, try home())
            #expect(throws: missing) { try store.deleteSecret(first.name, of: home(), ifSecret: first.id) }
            #expect(throws: missing) {
                try store.rollBack(first.name, of: home(), to: .first, ifSecret: first.id)
            }
            #expect(try store.secret(first.name, of: home()).id == second.id)
        }
    }

    @Test func `versions have ids of their own, which are the same after a rotation and tell no number`()
        throws
    {
        try withSecretStore { store, directory in
            let identity = try store.publicIdentity()
            let secret = UUID()
            let first = try identity.id(of: .first, of: secret)
            #expect(try identity.id(of: Version(number: 2), of: secret) != first)
            #expect(try identity.id(of: .first, of: UUID()) != first)
            #expect(try reopen(directory).publicIdentity().id(of: .first, of: secret) == first)
            #expect(try reopen(directory).publicIdentity().created == identity.created)
            // RFC 9562: version 8 and the variant.
            #expect(first.uuid.6 >> 4 == 8 && first.uuid.8 >> 6 == 2)
        }
    }

    @Test func `the certificate authority is kept once and opens again as it was`() throws {
        try withSecretStore { store, directory in
            #expect(try store.authority() == nil)
            func new(_ byte: UInt8) throws -> Authority {
                let key = [UInt8](repeating: byte, count: 32)
                return Authority(key: try SecretValue(copying: key.span.bytes), certificate: [1, 2, byte])
            }
            let kept = try store.keep(try new(3))
            let second = try reopen(directory).keep(try new(4))
            #expect(second.certificate == [1, 2, 3] && second.key.hasSameBytes(as: kept.key))
            let stored = try store.storage.read([.key(Keys.authority)], at: nil).records[0].bytes
            #expect(!stored.contains([UInt8](repeating: 3, count: 32)), "the key is not sealed")
        }
    }
}
