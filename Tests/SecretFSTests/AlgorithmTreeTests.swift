import Fuse
import Secrets
import TestSupport
import Testing

@testable import SecretFS

@Suite struct `An algorithm's tree` {
    @Test(arguments: [0, 1, 255, 131_073, 1_048_576])
    func `shows a value's exact size and bytes`(_ count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ 1) }
        let tree = try AlgorithmTree.of(.of([.plain("A", bytes, delivery: .file)]))
        let node = try tree.lookUp("A")
        #expect(node.size == UInt64(count) && node.permissions == 0o400 && node.uid == 7 && node.gid == 8)
        #expect(try tree.bytes(tree.open("A")) == bytes)
    }

    @Test func `reads at any offset get what is there and no more`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", Array("abcdef".utf8))]))
        let handle = try tree.open("A")
        #expect(try tree.bytes(handle, at: 2, count: 3) == Array("cde".utf8))
        #expect(try tree.bytes(handle, at: 5, count: 100) == Array("f".utf8))
        #expect(try tree.bytes(handle, at: 6, count: 1).isEmpty)
        #expect(try tree.bytes(handle, at: .max, count: .max).isEmpty)
    }

    /// > A file descriptor shows the version that was newest when it was opened, until it is closed. — docs/SEMANTICS.md#versions
    @Test func `an open file keeps its version while new opens see the next one`() throws {
        let first = try Entry.plain("A", [1])
        let tree = try AlgorithmTree.of(.of([first]))
        let node = try tree.lookUp("A")
        let old = try tree.open(node.id, by: anyone)
        let second = try Entry.plain("A", [2, 2], version: 2, secret: first.secret)
        let stale = tree.publish(.of([second], generation: 2))
        #expect(stale == [StaleName(name: "A"), StaleName(name: ".environ")])
        #expect(try tree.bytes(old) == [1])
        #expect(try tree.attributes(of: node.id, handle: old).size == 1)
        #expect(throws: Refusal.stale) { try tree.open(node.id, by: anyone) }
        #expect(try tree.lookUp("A").id != node.id && tree.lookUp("A").size == 2)
        #expect(try tree.bytes(tree.open("A")) == [2, 2])
    }

    @Test(arguments: ["A", ".environ"])
    func `a value that is open many times is in memory once, until its last file is closed`(_ name: String)
        throws
    {
        let tree = try AlgorithmTree.of(.of([.plain("A", [1, 2, 3])]))
        let count = Int(try tree.lookUp(name).size)
        let handles = try (0..<100).map { _ in try tree.open(name) }
        #expect(tree.plaintextCount == count)
        for handle in handles.dropLast() { tree.close(handle) }
        #expect(tree.plaintextCount == count)
        #expect(try tree.bytes(#require(handles.last)).count == count)
        tree.close(try #require(handles.last))
        #expect(tree.plaintextCount == 0)
    }

    @Test func `an entry that did not change keeps its inode`() throws {
        let same = try Entry.plain("B", [1])
        let tree = try AlgorithmTree.of(.of([.plain("A", [1]), same]))
        let before = try tree.lookUp("B").id
        let stale = tree.publish(.of([same, try .plain("C", [3])], generation: 2))
        #expect(stale.contains(StaleName(name: "A")))
        #expect(try tree.lookUp("B").id == before)
        #expect(throws: Refusal.notFound) { try tree.lookUp("A") }
    }

    @Test func `a deleted and created secret is another file, even with the same version number`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", [1])]))
        let before = try tree.lookUp("A").id
        _ = tree.publish(.of([try .plain("A", [9])], generation: 2))
        #expect(throws: Refusal.stale) { try tree.open(before, by: anyone) }
        #expect(try tree.bytes(tree.open("A")) == [9])
    }

    @Test func `environ holds every env entry of one generation, sorted, and no file entry`() throws {
        let tree = try AlgorithmTree.of(
            .of([.plain("B", [0xFF, 10]), .plain("A", []), .plain("F", [0], delivery: .file)]))
        let expected = Array("A=".utf8) + [0] + Array("B=".utf8) + [0xFF, 10, 0]
        #expect(try tree.lookUp(".environ").size == UInt64(expected.count))
        let handle = try tree.open(".environ")
        _ = tree.publish(.of([], generation: 2))
        #expect(try tree.bytes(handle) == expected)
        #expect(try tree.lookUp(".environ").size == 0)
    }

    @Test func `an environ that no program could take is too large, and only that file is`() throws {
        let part = [UInt8](repeating: 65, count: 1_048_576)
        let tree = try AlgorithmTree.of(.of((0..<7).map { try .plain("V\($0)", part) }))
        #expect(throws: Refusal.tooLarge) { try tree.open(".environ") }
        #expect(try tree.bytes(tree.open("V3")) == part)
    }

    @Test func `a damaged record is an I/O error and never bytes`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", [1], isDamaged: true), .plain("B", [2])]))
        #expect(throws: Refusal.damaged) { try tree.open("A") }
        #expect(throws: Refusal.damaged) { try tree.open(".environ") }
        #expect(try tree.bytes(tree.open("B")) == [2])
    }

    @Test func `a damaged record of an empty value is an I/O error too`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", [], isDamaged: true)]))
        #expect(throws: Refusal.damaged) { try tree.open("A") }
        #expect(throws: Refusal.damaged) { try tree.open(".environ") }
    }

    @Test func `the generation is a decimal line that a new read from the start refreshes`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", [])], generation: 9))
        let handle = try tree.open(".generation")
        #expect(try tree.poll(handle, nil) == .changed)
        #expect(try tree.bytes(handle) == Array("9\n".utf8))
        #expect(try tree.poll(handle, nil) == .quiet)
        _ = tree.publish(.of([], generation: 10))
        #expect(try tree.poll(handle, nil) == .changed)
        #expect(
            try tree.bytes(handle, at: 1) == Array("\n".utf8), "a read on from the middle stays in its number"
        )
        #expect(try tree.bytes(handle) == Array("10\n".utf8))
        #expect(try tree.lookUp(".generation").size == 3)
    }

    @Test func `a view that shows nothing new changes nothing and wakes nobody`() throws {
        let entry = try Entry.plain("A", [1])
        let tree = try AlgorithmTree.of(.of([entry], generation: 5))
        #expect(tree.publish(.of([entry], generation: 6)).isEmpty)
        #expect(tree.generation == 5)
    }

    @Test func `what changed in storage and not in sight leaves no sign`() throws {
        let entry = try Entry.plain("A", [1])
        let tree = try AlgorithmTree.of(.of([entry], generation: 5))
        let root = try tree.attributes(of: .root, handle: nil).modified
        let later = AlgorithmView(
            generation: 6, modified: Timestamp(seconds: 2_000, nanoseconds: 0), entries: [entry])
        #expect(tree.publish(later).isEmpty)
        #expect(tree.generation == 5)
        #expect(try tree.attributes(of: .root, handle: nil).modified == root)
        #expect(!tree.publish(.of([], generation: 7)).isEmpty)
        #expect(
            try tree.attributes(of: .root, handle: nil).modified > root, "what goes has no time of its own")
    }

    /// > Names and sizes stay listed, and open files stay open. — docs/SEMANTICS.md#what-cannot-be-read
    @Test(arguments: ["A", ".environ"])
    func `a tree that is withheld opens nothing until it is shown again, even the same`(_ name: String) throws
    {
        let entry = try Entry.plain("A", [1])
        let tree = try AlgorithmTree.of(.of([entry], generation: 5))
        let handle = try tree.open(name)
        tree.withhold()
        #expect(throws: Refusal.unread) { try tree.open(name) }
        #expect(try tree.bytes(handle).contains(1) && tree.names().contains("A"))
        tree.close(try tree.open(".generation"))
        _ = tree.publish(.of([entry], generation: 4))
        #expect(throws: Refusal.unread, "what is older says nothing") { try tree.open(name) }
        _ = tree.publish(.of([entry], generation: 6))
        tree.close(try tree.open(name))
    }

    @Test func `an older view never replaces a newer one`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", [2])], generation: 5))
        #expect(tree.publish(.of([], generation: 4)).isEmpty)
        #expect(try tree.names().contains("A"))
    }

    @Test func `a listing is fixed when the directory is opened and can be read in pieces`() throws {
        let entries = try (0..<100).map { try Entry.plain("N\($0)", []) }
        let tree = try AlgorithmTree.of(.of(entries))
        let handle = try tree.openDirectory(.root, by: anyone)
        _ = tree.publish(.of([], generation: 2))
        var names: [String] = []
        var offset: UInt64 = 0
        repeat {
            let before = names.count
            var room = 7
            try tree.readDirectory(handle, after: offset) { entry in
                guard room > 0 else { return false }
                room -= 1
                names.append(entry.name)
                offset = entry.nextOffset
                return true
            }
            if names.count == before { break }
        } while true
        #expect(Set(names) == Set(entries.map(\.name.text) + [".", "..", ".environ", ".generation"]))
        #expect(names.count == 104)
        #expect(try tree.names() == [".", "..", ".environ", ".generation"])
    }

    @Test func `extended attributes tell about an entry and hold no value`() throws {
        let secret = Array("planted-value-123".utf8)
        let tree = try AlgorithmTree.of(.of([.plain("A", secret, version: 4)]))
        let node = try tree.lookUp("A").id
        let names = try tree.extendedAttributeNames(of: node).split(separator: 0).map {
            String(decoding: $0, as: UTF8.self)
        }
        #expect(
            names.sorted()
                == ["description", "modified", "name", "provider", "version"].map { "user.secretfs." + $0 })
        #expect(
            try tree.extendedAttribute("user.secretfs.version".utf8Span.span, of: node) == Array("4".utf8))
        for name in names {
            let value = try tree.extendedAttribute(name.utf8Span.span, of: node)
            #expect(!String(decoding: value, as: UTF8.self).contains("planted"))
        }
        #expect(throws: Refusal.noAttribute) {
            try tree.extendedAttribute("user.secretfs.value".utf8Span.span, of: node)
        }
    }

    @Test func `a mode that writes or executes is refused`() {
        for mode: UInt16 in [0o600, 0o500, 0o444 | 0o4000, 0] {
            #expect(MountAttributes(uid: 0, gid: 0, fileMode: mode) == nil)
        }
        #expect(MountAttributes(uid: 0, gid: 0, fileMode: 0o440)?.directoryMode == 0o550)
    }

    @Test func `a node is kept as long as the kernel knows it`() throws {
        let tree = try AlgorithmTree.of(.of([.plain("A", [1])]))
        let node = try tree.lookUp("A").id
        _ = try tree.lookUp("A")
        _ = tree.publish(.of([], generation: 2))
        tree.forget(node, lookups: 1)
        #expect(try tree.attributes(of: node, handle: nil).size == 1)
        tree.forget(node, lookups: 1)
        #expect(throws: Refusal.stale) { try tree.attributes(of: node, handle: nil) }
        tree.forget(node, lookups: 5)
    }
}
