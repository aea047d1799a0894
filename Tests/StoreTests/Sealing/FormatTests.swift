import Foundation
import Glibc
import Secrets
import Testing

@testable import Store

/// > holds one of each, which every later version must open. — docs/FORMAT.md
@Suite struct `Format 1 opens for ever` {
    private func rootKey() throws -> RootKey {
        let folder = FileManager.default.temporaryDirectory.appending(path: "secretfs-\(UUID().uuidString)")
            .path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // git keeps no 0400, and a root key file that others may read is refused.
        let path = folder + "/root.key"
        try Data(fixture("format-1/root.key")).write(to: URL(filePath: path))
        #expect(chmod(path, 0o400) == 0)
        return try RootKeyFile(path).read()
    }

    @Test func `root key, keyring and records`() throws {
        let keyring = try Keyring(opening: fixture("format-1/keyring"), with: try rootKey())
        #expect(keyring.generation == 2 && keyring.keys.map(\.state) == [.retired, .active])
        #expect(keyring.keys[0].id == KeyID(rawValue: 0x0709_6559))
        let sealer = RecordSealer(keyring)
        #expect(
            try sealer.open(fixture("format-1/record-retired"), "s/1") == Array("twenty bytes exactly".utf8))
        #expect(try sealer.open(fixture("format-1/record-active"), "s/é") == [])
    }

    @Test func `descriptors`() throws {
        let file = try RootKeyDescriptor(decoding: fixture("format-1/descriptor-file"))
        #expect(file == .file(path: "/etc/secretfs/root.key"))
        let credential = try RootKeyDescriptor(decoding: fixture("format-1/descriptor-credential"))
        #expect(credential == .credential(name: "secretfs.root"))
    }

    @Test func `a passphrase, with the parameters of its descriptor`() throws {
        let descriptor = try RootKeyDescriptor(decoding: fixture("format-1/descriptor-passphrase"))
        guard case .passphrase(let parameters) = descriptor else {
            Issue.record("another kind of descriptor")
            return
        }
        let passphrase = try SecretValue(copying: Array("correct horse battery staple".utf8).span.bytes)
        let root = try RootKey.deriving(from: passphrase, parameters)
        #expect(try Keyring(opening: fixture("format-1/keyring-passphrase"), with: root).generation == 2)
    }

    /// Reads the fixtures with nothing but the cipher, HKDF and the offsets that docs/FORMAT.md gives.
    @Test func `a reader written from the document opens them too`() throws {
        let text = try fixture("format-1/root.key")
        let root = bytes(String(decoding: text[20..<84], as: UTF8.self))
        let keyring = try fixture("format-1/keyring")
        let (salt, info) = (Array(keyring[17..<49]), Array("secretfs keyring 1".utf8))
        let derived = try hkdf(root.span.bytes, salt: salt.span.bytes, info: info.span.bytes, count: 64).copy
        #expect(Array(derived[32...]) == Array(keyring[49..<81]))
        #expect(try sha256(Array(keyring.dropLast(32))) == Array(keyring.suffix(32)))
        let cipher = try XAES256GCM(key: Array(derived[..<32]).span.bytes)
        let body = try cipher.open(
            Array(keyring[105..<225]), nonce: Array(keyring[81..<105]), data: Array(keyring[..<81]))
        #expect(body.count == 6 + 49 * 2)

        let (id, key) = (Array(body[6..<10]), Array(body[23..<55]))
        #expect(hex(id) == "07096559" && body[10] == 2)
        let data = bytes(
            "0000000f 7365637265746673207265636f7264 00000001 01 00000004 07096559 00000003 732f31"
                .replacing(" ", with: ""))
        let record = try fixture("format-1/record-retired")
        let opened = try XAES256GCM(key: key.span.bytes)
            .open(Array(record[29...]), nonce: Array(record[5..<29]), data: data)
        #expect(opened == Array("twenty bytes exactly".utf8))
    }
}

/// Each count that docs/FORMAT.md states, against what the code writes.
@Suite struct `docs/FORMAT.md` {
    private let document: String

    init() throws {
        let path = URL(filePath: #filePath).appending(path: "../../../../docs/FORMAT.md").standardizedFileURL
            .path
        // One line, so that a sentence may be folded anywhere.
        document = try String(contentsOfFile: path, encoding: .utf8)
            .split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }

    private func says(_ sentence: String) -> Bool { document.contains(sentence) }

    @Test func `metadata`() throws {
        let (name, moment) = (try EnvironmentName("A"), Timestamp(seconds: 1, nanoseconds: 0))
        let algorithm = Algorithm(name: try AlgorithmName("nlp/Summarizer"), id: UUID(), created: moment)
        #expect(algorithm.encoded().count == 40)
        let version = VersionInfo(version: .first, count: 1, created: moment, actor: .user(0))
        let secret = Secret(
            name: name, id: UUID(), displayName: try DisplayName("A"), about: try Description(""),
            delivery: .env, created: moment, modified: moment, versions: [version])
        #expect(secret.encoded().count == 100)
    }

    @Test func `record`() throws {
        #expect(says("A record is 45 bytes longer than what it holds"))
        #expect(says("20 bytes make 1 + 4 + 24 + 20 + 16 = 65 bytes"))
        #expect(says("an empty value makes 45, and 1 MiB makes 1,048,621."))
        let sealer = RecordSealer(try Keyring.create())
        for (count, sealed) in [(20, 65), (0, 45), (1 << 20, 1_048_621)] {
            #expect(try sealer.seal([UInt8](repeating: 0, count: count), "k").count == sealed)
        }
    }

    @Test func `keyring`() throws {
        #expect(says("A keyring with one key has 208 bytes, one with two keys 257, and the largest 12,703."))
        let root = try RootKey.random()
        var keyring = try Keyring.create()
        #expect(try keyring.sealed(by: root).count == 208)
        keyring = try keyring.rotated()
        #expect(try keyring.sealed(by: root).count == 257)
        while keyring.keys.count < Keyring.maximumCount { keyring = try keyring.rotated() }
        #expect(try keyring.sealed(by: root).count == 12_703)
    }

    @Test func `root key file and descriptor`() throws {
        #expect(says("One line of text, 85 bytes, mode 0400"))
        #expect(try fixture("format-1/root.key").count == 85)
        #expect(says("`/etc/secretfs/root.key` makes 74 bytes."))
        #expect(try RootKeyDescriptor.file(path: "/etc/secretfs/root.key").encoded().count == 74)
        #expect(says("log₂ N (1), r (1), p (1), salt (32): always 85 bytes."))
        #expect(try RootKeyDescriptor.passphrase(.new()).encoded().count == 85)
        #expect(says("`secretfs.root` makes 65 bytes."))
        #expect(try RootKeyDescriptor.credential(name: "secretfs.root").encoded().count == 65)
    }
}
