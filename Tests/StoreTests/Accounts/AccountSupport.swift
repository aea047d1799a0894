import Secrets
import Testing

@testable import Store

func secret(_ text: String) throws -> SecretValue { try SecretValue(copying: Array(text.utf8).span.bytes) }

func named(_ user: String = "alice") throws -> UserName { try UserName(user) }

let goodPassword = "planted correct horse"

extension SecretValue {
    /// The plaintext, for comparing in tests.
    var text: String {
        withBytes { bytes in
            String(
                decoding: (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) },
                as: UTF8.self)
        }
    }
}

/// One for all stores and tests: what is remembered must never show.
private let known = KnownKeys()

extension SecretStore {
    /// Whom a key with this text lets in.
    func who(_ text: String) throws -> Principal? {
        try authenticate(key: Array(text.utf8).span.bytes, known)
    }

    func newKey(
        _ name: String = "alice", expires: Timestamp? = nil, isReadOnly: Bool = false
    ) throws -> (APIKey, String) {
        let made = try createAPIKey(for: try named(name), expires: expires, isReadOnly: isReadOnly)
        return (made.key, made.text.text)
    }

    /// Every record of users and keys as storage has it.
    func accountRecords() throws -> [StoredRecord] {
        try storage.read([.prefix(Keys.users), .prefix(Keys.apiKeys)], at: nil).records
    }
}

/// A store with the user alice, who has no password and may do something.
func withAlice(_ body: (SecretStore, String) throws -> Void) throws {
    try withSecretStore { store, directory in
        try store.createUser(try named(), roles: [.viewer], password: nil)
        try body(store, directory)
    }
}
