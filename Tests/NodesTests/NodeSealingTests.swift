import Foundation
import Secrets
import Testing

@testable import Nodes
@testable import Store

/// A node with keys of its own, as the server and as the machine knows it.
private struct Machine {
    let node: Node
    let key: NodeKey

    init(id: UUID = UUID()) throws {
        let (secret, publicKey) = try NodeKey.make()
        let now = Timestamp.now()
        let name = try NodeName("worker")
        node = Node(
            name: name, id: id, created: now, modified: now, sealingKey: publicKey, certificates: [],
            allowed: [], isRevoked: false, policy: NodePolicy())
        key = NodeKey(
            Membership(
                node: name, id: id, host: "localhost", port: 1, authority: [1], certificate: [1],
                key: try SecretValue(copying: [UInt8](repeating: 1, count: 32).span.bytes),
                sealingKey: secret,
                policy: NodePolicy()))
    }
}

@Suite struct `Values that are sealed to a node` {
    private let held = HeldVersion(secret: UUID(), version: Version(number: 3), modified: .now())
    private let text = Array("planted-7f3a of a node".utf8)

    private func algorithm(_ name: String = "nlp/Summarizer") throws -> AlgorithmName {
        try AlgorithmName(name)
    }

    private func sealed(to machine: Machine) throws -> (batch: [UInt8], bytes: [UInt8]) {
        let sealer = try BatchSealer(to: machine.node, for: try algorithm())
        return (sealer.encapsulated, try sealer.seal(SecretValue(copying: text.span.bytes), as: held))
    }

    private func opened(
        _ sealed: (batch: [UInt8], bytes: [UInt8]), by machine: Machine, as version: HeldVersion? = nil,
        of name: String = "nlp/Summarizer"
    ) throws -> [UInt8] {
        let batch = ReceivedBatch(sealed.batch, for: try algorithm(name), by: machine.key)
        return try opened(ReceivedValue(sealed.bytes, in: batch), as: version ?? held)
    }

    private func opened(_ value: ReceivedValue, as version: HeldVersion) throws -> [UInt8] {
        let entry = NodeEntry(
            LinkEntry(
                name: try EnvironmentName("KEY"), held: version, delivery: .env, count: text.count,
                expires: nil,
                callers: [], details: nil, isUnreadable: false, hasValue: true), value)
        return try SecretValue(capacity: text.count) { try entry.open(into: &$0) }.withBytes { bytes in
            (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
    }

    @Test func `open on that node, and have nothing of the plaintext in them`() throws {
        let machine = try Machine()
        let sealed = try sealed(to: machine)
        #expect(try opened(sealed, by: machine) == text)
        #expect(sealed.bytes.count == text.count + 40)
        #expect(!String(decoding: sealed.bytes, as: UTF8.self).contains("planted"))
        #expect(try self.sealed(to: machine).bytes != sealed.bytes)
    }

    @Test func `open nowhere else, and as nothing else`() throws {
        let machine = try Machine()
        let sealed = try sealed(to: machine)
        #expect(throws: OpenError.damaged) { try opened(sealed, by: try Machine()) }
        #expect(throws: OpenError.damaged) { try opened(sealed, by: try Machine(id: machine.node.id)) }
        #expect(throws: OpenError.damaged) { try opened(sealed, by: machine, of: "nlp/Other") }
        for other in [
            HeldVersion(secret: UUID(), version: held.version, modified: held.modified),
            HeldVersion(secret: held.secret, version: Version(number: 4), modified: held.modified),
            HeldVersion(
                secret: held.secret, version: held.version, modified: Timestamp(seconds: 1, nanoseconds: 0)),
        ] {
            #expect(throws: OpenError.damaged) { try opened(sealed, by: machine, as: other) }
        }
        #expect(throws: OpenError.damaged) {
            try opened((try self.sealed(to: machine).batch, sealed.bytes), by: machine)
        }
    }

    @Test func `open whole or not at all`() throws {
        let machine = try Machine()
        let sealed = try sealed(to: machine)
        for index in sealed.bytes.indices {
            var bytes = sealed.bytes
            bytes[index] ^= 1
            #expect(throws: OpenError.damaged) { try opened((sealed.batch, bytes), by: machine) }
        }
        for count in [0, 23, 39, sealed.bytes.count - 1] {
            #expect(throws: OpenError.damaged) {
                try opened((sealed.batch, Array(sealed.bytes.prefix(count))), by: machine)
            }
        }
        for batch in [[], [UInt8](repeating: 0, count: 32), Array(sealed.batch.dropLast())] {
            #expect(throws: OpenError.damaged) { try opened((batch, sealed.bytes), by: machine) }
        }
    }

    @Test func `do not open after the key was forgotten`() throws {
        let machine = try Machine()
        let sealed = try sealed(to: machine)
        let batch = ReceivedBatch(sealed.batch, for: try algorithm(), by: machine.key)
        let value = ReceivedValue(sealed.bytes, in: batch)
        #expect(try opened(value, as: held) == text)
        machine.key.forget()
        batch.forget()
        #expect(throws: OpenError.sealed) { try opened(value, as: held) }
    }
}
