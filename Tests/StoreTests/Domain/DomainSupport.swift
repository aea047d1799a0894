import Foundation
import Secrets
import Testing

@testable import Store

/// A new store in a temporary folder, with what it takes to open it again.
func withSecretStore(_ body: (SecretStore, String) throws -> Void) throws {
    try withTemporaryDirectory { directory in
        let root = try RootKey.random()
        let file = try RootKeyFile(directory + "/root.key")
        try file.create(root)
        try body(try SealedStore.create(at: directory, source: .file(path: file.path), root: root), directory)
    }
}

/// Opens it as another process would.
func reopen(_ directory: String) throws -> SecretStore {
    let sealed = try SealedStore.open(at: directory)
    return try sealed.unseal(by: RootKeyFile(directory + "/root.key").read())
}

func algorithm(_ text: String = "nlp/Summarizer") throws -> AlgorithmName { try AlgorithmName(text) }

func home(_ text: String = "nlp/Summarizer") throws -> SecretHome { try SecretHome(text) }

extension NewSecret {
    static func plain(_ name: String, _ bytes: [UInt8], delivery: Delivery = .env) throws -> NewSecret {
        NewSecret(
            name: try EnvironmentName(name), displayName: try DisplayName(name),
            about: try Description("about"),
            delivery: delivery, value: try SecretValue(copying: bytes.span.bytes))
    }
    static func plain(_ name: String, _ text: String) throws -> NewSecret {
        try .plain(name, Array(text.utf8))
    }
}

extension SecretUpdate {
    static func value(_ text: String) throws -> SecretUpdate {
        SecretUpdate(value: try SecretValue(copying: Array(text.utf8).span.bytes))
    }
}

extension Entry {
    /// The plaintext, for comparing in tests.
    func bytes() throws -> [UInt8] {
        try SecretValue(capacity: count) { try sealed.open(into: &$0) }.withBytes { span in
            (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }
}

extension SecretStore {
    /// Name and text of everything that a mount of `name` would show.
    func texts(_ name: AlgorithmName) throws -> [String: String] {
        let entries = try view(of: name).entries
        return Dictionary(
            uniqueKeysWithValues: try entries.map {
                ($0.name.text, String(decoding: try $0.bytes(), as: UTF8.self))
            })
    }

    /// Every record as storage has it.
    func allRecords() throws -> [StoredRecord] {
        try storage.read(
            [.prefix(RecordKey("algorithm/")), .prefix(RecordKey("secret/")), .prefix(RecordKey("value/"))],
            at: nil
        ).records
    }
}
