import Foundation
import Fuse
import Secrets
import Synchronization
import TestSupport
import Testing

@testable import SecretFS

/// An entry whose key can be taken away, as `secretfs seal` does it.
private final class LosableEntry: SealedEntry {
    let bytes: [UInt8]
    let isLost = Atomic(false)
    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        if isLost.load(ordering: .relaxed) { throw .sealed }
        for byte in bytes { destination.append(byte) }
    }
    func check() throws(OpenError) {
        if isLost.load(ordering: .relaxed) { throw .sealed }
    }
    func details() throws(OpenError) -> EntryDetails {
        if isLost.load(ordering: .relaxed) { throw .sealed }
        throw .damaged
    }
    func entry(_ secret: SecretID) throws -> Entry {
        Entry(
            name: try EnvironmentName("A"), secret: secret, version: Version(number: 1), delivery: .env,
            count: bytes.count, modified: Timestamp(seconds: 1_000, nanoseconds: 5), sealed: self)
    }
}

@Suite struct `A tree whose keys change` {
    private let secret = SecretID()

    /// > A file that was open keeps what it has until it is closed — docs/SEMANTICS.md#a-sealed-agent
    @Test func `without its keys lists all, opens nothing, and keeps open files`() throws {
        let record = LosableEntry([1, 2])
        let tree = try AlgorithmTree.of(.of([record.entry(secret)]))
        let held = try tree.open("A")
        let heldEnviron = try tree.open(".environ")
        record.isLost.store(true, ordering: .relaxed)
        #expect(try tree.names().contains("A") && tree.lookUp("A").size == 2)
        #expect(try tree.bytes(held) == [1, 2])
        for name in ["A", ".environ"] {
            #expect(throws: Refusal.sealed, "to another one, while it is open") { try tree.open(name) }
        }
        #expect(try tree.bytes(held) == [1, 2] && tree.bytes(heldEnviron) == Array("A=".utf8) + [1, 2, 0])
        tree.close(held)
        tree.close(heldEnviron)
        #expect(throws: Refusal.sealed) { try tree.open("A") }
        #expect(throws: Refusal.sealed) { try tree.open(".environ") }
        #expect(throws: Refusal.sealed) {
            try tree.extendedAttribute("user.secretfs.name".utf8Span.span, of: tree.lookUp("A").id)
        }
        #expect(Refusal.sealed.errno == 126)
    }

    @Test(arguments: [1, 2] as [UInt64])
    func `takes records that were sealed anew, and nothing is seen of it`(_ generation: UInt64) throws {
        let old = LosableEntry([1, 2])
        let tree = try AlgorithmTree.of(.of([old.entry(secret)]))
        let nodes = try ["A", ".environ"].map { try tree.lookUp($0).id }
        let new = LosableEntry([1, 2])
        #expect(tree.publish(.of([try new.entry(secret)], generation: generation)).isEmpty)
        old.isLost.store(true, ordering: .relaxed)
        #expect(tree.generation == 1)
        #expect(try ["A", ".environ"].map { try tree.lookUp($0).id } == nodes)
        #expect(try tree.bytes(tree.open(nodes[0], by: anyone)) == [1, 2], "an inode that the kernel knows")
        #expect(try tree.bytes(tree.open(nodes[1], by: anyone)) == Array("A=".utf8) + [1, 2, 0])
    }

    @Test func `does not go back to records of an older view`() throws {
        let (old, new) = (LosableEntry([1]), LosableEntry([1]))
        let tree = try AlgorithmTree.of(.of([new.entry(secret)], generation: 5))
        #expect(tree.publish(.of([try old.entry(secret)], generation: 4)).isEmpty)
        old.isLost.store(true, ordering: .relaxed)
        #expect(try tree.bytes(tree.open("A")) == [1])
    }
}
