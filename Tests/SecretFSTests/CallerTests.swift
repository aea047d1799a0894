import Fuse
import Glibc
import Secrets
import Synchronization
import TestSupport
import Testing

@testable import SecretFS

/// Knows callers by their thread ids, and counts how often it is asked.
final class KnownCallers: CallerResolver {
    private let programs: [Int32: String]
    let asked = Mutex(0)

    init(_ programs: [Int32: String]) { self.programs = programs }

    func identity(
        uid: UInt32, gid: UInt32, thread: Int32, _ question: CallerQuestion
    ) throws(CallerUnknown) -> CallerIdentity {
        asked.withLock { $0 += 1 }
        guard let path = programs[thread] else { throw CallerUnknown("a test's stranger") }
        return CallerIdentity(
            uid: uid, gid: gid, executable: .init(path: ProcessPath(Array(path.utf8)), isOurs: true))
    }
}

private let good = Caller(uid: 10, gid: 10, thread: 1)
private let other = Caller(uid: 10, gid: 10, thread: 2)
private let stranger = Caller(uid: 10, gid: 10, thread: 3)
private let onlyGood = CallerRule(executables: [.init(path: "/good", sha256: nil)])

extension AlgorithmTree {
    fileprivate static func guarded(
        _ entries: [Entry], _ callers: any CallerResolver, knowsThreads: Bool = true,
        trail: any AuditTrail = NoTrail()
    ) throws -> AlgorithmTree {
        let attributes = try #require(MountAttributes(uid: 7, gid: 8))
        return AlgorithmTree(
            .of(entries), of: try AlgorithmName("nlp/Summarizer"), attributes: attributes, trail: trail,
            callers: callers, knowsThreads: knowsThreads
        ) { _, _ in }
    }

    fileprivate func text(_ name: String, by caller: Caller) throws(Refusal) -> String {
        let handle = try open(lookUp(name).id, by: caller)
        defer { close(handle) }
        return String(decoding: try bytes(handle), as: UTF8.self)
    }
}

@Suite struct `At each open` {
    private let callers = KnownCallers([1: "/good", 2: "/other"])

    @Test func `a rule lets its callers in and denies others and those whom nobody knows`() throws {
        let tree = try AlgorithmTree.guarded(
            [.plain("A", [65]), .plain("B", [66], callers: [onlyGood])], callers)
        #expect(try tree.text("B", by: good) == "B")
        #expect(throws: Refusal.denied) { try tree.text("B", by: other) }
        #expect(throws: Refusal.denied) { try tree.text("B", by: stranger) }
        for caller in [good, other, stranger] { #expect(try tree.text("A", by: caller) == "A") }
    }

    @Test func `every rule must let the caller in`() throws {
        let rules = [CallerRule(uids: [10]), onlyGood, CallerRule(gids: [11])]
        let tree = try AlgorithmTree.guarded([.plain("A", [65], callers: rules)], callers)
        #expect(throws: Refusal.denied) { try tree.text("A", by: good) }
        #expect(try tree.text("A", by: Caller(uid: 10, gid: 11, thread: 1)) == "A")
    }

    @Test func `a process is looked up once for each open, for the rules of all entries and for the record`()
        throws
    {
        let entries = try (0..<9).map { try Entry.plain("N\($0)", [65], callers: [onlyGood]) }
        let tree = try AlgorithmTree.guarded(
            entries + [.plain("U", [1], callers: [CallerRule(uids: [10])]), .plain("FREE", [2])], callers)
        _ = try tree.text("U", by: good)
        _ = try tree.text("FREE", by: good)
        #expect(throws: Refusal.denied) { try tree.text("U", by: Caller(uid: 11, gid: 10, thread: 1)) }
        #expect(callers.asked.withLock { $0 } == 3)
        _ = try tree.text(".environ", by: good)
        #expect(callers.asked.withLock { $0 } == 4)
    }

    /// > a process outside of the agent's process namespace is denied where there is any rule — docs/SEMANTICS.md#callers
    @Test func `a caller without a number is denied by any rule, also on users`() throws {
        let tree = try AlgorithmTree.guarded(
            [.plain("A", [65], callers: [CallerRule(uids: [10])]), .plain("B", [66])], callers)
        let outside = Caller(uid: 10, gid: 10, thread: 0)
        #expect(throws: Refusal.denied) { try tree.text("A", by: outside) }
        #expect(try tree.text("B", by: outside) == "B")
        #expect(try tree.text(".environ", by: outside) == "B=B\0")
    }

    @Test func `numbers of another process namespace are nobody's`() throws {
        let tree = try AlgorithmTree.guarded(
            [.plain("A", [65], callers: [onlyGood]), .plain("B", [66], callers: [CallerRule(uids: [10])])],
            callers, knowsThreads: false)
        for name in ["A", "B", ".environ"] {
            #expect(throws: Refusal.denied) { try tree.text(name, by: good) }
        }
        #expect(callers.asked.withLock { $0 } == 0)
    }

    @Test func `environ has what the caller may open, one plaintext for each set of it`() throws {
        let tree = try AlgorithmTree.guarded(
            [.plain("A", [65]), .plain("B", [66], callers: [onlyGood])], callers)
        let size = try tree.lookUp(".environ").size
        let node = try tree.lookUp(".environ").id
        let mine = try (0..<5).map { _ in try tree.open(node, by: good) }
        let theirs = try (0..<5).map { _ in try tree.open(node, by: other) }
        for handle in mine { #expect(try tree.bytes(handle) == Array("A=A\0B=B\0".utf8)) }
        for handle in theirs { #expect(try tree.bytes(handle) == Array("A=A\0".utf8)) }
        #expect(tree.plaintextCount == 12)
        #expect(try tree.lookUp(".environ").size == size && size == 8)
        for handle in mine + theirs { tree.close(handle) }
        #expect(tree.plaintextCount == 0)
    }

    @Test func `environ is denied to whom rules leave nothing of it, and to whom nobody knows`() throws {
        let tree = try AlgorithmTree.guarded([.plain("B", [66], callers: [onlyGood])], callers)
        #expect(throws: Refusal.denied) { try tree.text(".environ", by: other) }
        let mixed = try AlgorithmTree.guarded(
            [.plain("A", [1]), .plain("B", [66], callers: [onlyGood])], callers)
        #expect(throws: Refusal.denied) { try mixed.text(".environ", by: stranger) }
    }

    @Test func `pages of an environ that differs by caller are not for the kernel to keep`() throws {
        let rule = try AlgorithmTree.guarded(
            [.plain("A", [65]), .plain("B", [66], callers: [onlyGood])], callers)
        for caller in [good, other] {
            #expect(!rule.mayBeCached(try rule.open(rule.lookUp(".environ").id, by: caller)))
        }
        #expect(rule.mayBeCached(try rule.open(rule.lookUp("B").id, by: good)))
        let free = try AlgorithmTree.guarded([.plain("A", [65])], callers)
        #expect(free.mayBeCached(try free.open(free.lookUp(".environ").id, by: good)))
    }

    @Test func `a new rule holds for the next open of the same inode, and not for open files`() throws {
        let entry = try Entry.plain("A", [65])
        let tree = try AlgorithmTree.guarded([entry], callers)
        let node = try tree.lookUp("A").id
        let opened = try tree.open(node, by: other)
        let stale = tree.publish(
            .of([try .plain("A", [65], secret: entry.secret, callers: [onlyGood])], generation: 2))
        #expect(stale == [StaleName(name: ".environ")])
        #expect(throws: Refusal.denied) { try tree.open(node, by: other) }
        #expect(try tree.bytes(opened) == [65])
        #expect(try tree.lookUp("A").id == node)
    }

    @Test func `what has expired is not there, before any new view`() throws {
        let past = Timestamp(seconds: Timestamp.now().seconds - 1, nanoseconds: 0)
        let future = Timestamp(seconds: Timestamp.now().seconds + 1000, nanoseconds: 0)
        let tree = try AlgorithmTree.guarded(
            [.plain("A", [65], expires: past), .plain("B", [66], expires: future), .plain("C", [67])], callers
        )
        #expect(throws: Refusal.notFound) { try tree.lookUp("A") }
        #expect(try tree.names() == [".", "..", ".environ", ".generation", "B", "C"])
        #expect(try tree.text(".environ", by: good) == "B=B\0C=C\0")
        let node = try tree.lookUp("B")
        #expect(node.nameValidity > 900 && node.nameValidity <= 1000)
        #expect(node.attributeValidity == node.nameValidity)
        #expect(try tree.lookUp("C").nameValidity > 1000)
    }

    @Test func `an inode whose time runs out is looked up again and gone`() throws {
        var moment = Timestamp.now()
        moment = Timestamp(seconds: moment.seconds + 1, nanoseconds: moment.nanoseconds)
        let tree = try AlgorithmTree.guarded([.plain("A", [65], expires: moment)], callers)
        let node = try tree.lookUp("A").id
        let opened = try tree.open(node, by: good)
        while Timestamp.now() < moment { usleep(10_000) }
        #expect(throws: Refusal.stale) { try tree.open(node, by: good) }
        #expect(throws: Refusal.notFound) { try tree.lookUp("A") }
        #expect(try tree.bytes(opened) == [65])
    }
}
