import Fuse
import Secrets
import Synchronization
import TestSupport
import Testing

@testable import SecretFS

/// /proc as a test has it: threads by number, with whose rights they have.
private final class KnownRights: CallerResolver {
    let rights: [Int32: CallerIdentity.Rights]
    init(_ rights: [Int32: CallerIdentity.Rights]) { self.rights = rights }

    func identity(
        uid: UInt32, gid: UInt32, thread: Int32, _ question: CallerQuestion
    ) throws(CallerUnknown) -> CallerIdentity {
        guard let found = rights[thread] else { throw CallerUnknown("a test's stranger") }
        var identity = CallerIdentity(uid: uid, gid: gid, process: thread)
        if question.rights { identity.rights = found }
        return identity
    }
}

private final class Recorded: AuditTrail {
    let events = Mutex<[AuditEvent]>([])
    func record(_ events: [AuditEvent]) { self.events.withLock { $0 += events } }
    func record(_ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void) -> Bool {
        record([event])
        return true
    }
}

private func rights(_ uids: [UInt32], gid: UInt32 = 50) -> CallerIdentity.Rights {
    CallerIdentity.Rights(uids: uids, gids: [gid, gid, gid, gid], depth: 1)
}

@Suite struct `In the mount of a listed user` {
    /// 1 is that user, 2 somebody else, 3 root; 4 to 7 are the user in part.
    private let callers = KnownRights([
        1: rights([1000, 1000, 1000, 1000]), 2: rights([1001, 1001, 1001, 1001]), 3: rights([0, 0, 0, 0]),
        4: rights([0, 1000, 1000, 1000]), 5: rights([1000, 0, 1000, 1000]),
        6: rights([1000, 1000, 0, 1000]), 7: rights([1000, 1000, 1000, 0]), 8: rights([1000]),
    ])
    private let trail = Recorded()

    private func tree(_ entries: [Entry]) throws -> AlgorithmTree {
        let attributes = try #require(MountAttributes(uid: 1000, gid: 1000))
        return AlgorithmTree(
            .of(entries), of: try AlgorithmName("nlp/Summarizer"), attributes: attributes, trail: trail,
            callers: callers, onlyFor: 1000
        ) { _, _ in }
    }

    private func opens(_ name: String, _ tree: AlgorithmTree, uid: UInt32, thread: Int32) -> Bool {
        guard let node = try? tree.lookUp(name).id else { return false }
        let caller = Caller(uid: uid, gid: 0, thread: thread)
        guard let handle = try? tree.open(node, by: caller) else { return false }
        tree.close(handle)
        return true
    }

    @Test func `processes of that user alone are answered, whatever uid the kernel says`() throws {
        let tree = try tree([.plain("A", [65])])
        for uid in [0, 1000, 1001, .max] as [UInt32] {
            for name in ["A", ".environ"] {
                #expect(opens(name, tree, uid: uid, thread: 1))
                for thread in [-1, 0, 2, 3, 4, 5, 6, 7, 8, 99] as [Int32] {
                    #expect(!opens(name, tree, uid: uid, thread: thread), "\(name) \(uid) \(thread)")
                }
            }
        }
    }

    @Test func `after its end nothing is opened or read, also what is open`() throws {
        let tree = try tree([.plain("A", [65])])
        let handle = try tree.open(tree.lookUp("A").id, by: Caller(uid: 1000, gid: 0, thread: 1))
        try tree.read(handle, at: 0, count: 9) { #expect($0.byteCount == 1) }
        tree.end()
        _ = tree.publish(.of([try .plain("A", [66])], generation: 9))
        #expect(!opens("A", tree, uid: 1000, thread: 1) && !opens(".environ", tree, uid: 1000, thread: 1))
        #expect(throws: Refusal.denied) { try tree.read(handle, at: 0, count: 9) { _ in } }
    }

    /// Who holds up a request of theirs must hold up nothing of the agent: see `AlgorithmTree.limited`.
    @Test func `the kernel is told to keep nothing`() throws {
        let tree = try tree([.plain("A", [65])])
        let nodes = try [
            tree.lookUp("A"), tree.lookUp(".environ"), tree.attributes(of: .root, handle: nil),
        ]
        #expect(nodes.allSatisfy { $0.nameValidity == 0 && $0.attributeValidity == 0 })
    }

    @Test func `rules go by what /proc says of user and group`() throws {
        let forUser = CallerRule(uids: [1000], gids: [50])
        let tree = try tree([
            .plain("A", [65], callers: [forUser]), .plain("B", [66], callers: [CallerRule(uids: [0])]),
        ])
        for uid in [0, 1000] as [UInt32] {
            #expect(opens("A", tree, uid: uid, thread: 1))
            #expect(!opens("B", tree, uid: uid, thread: 1))
        }
    }

    @Test func `each denial is recorded with whoever it really was, or nobody`() throws {
        let tree = try tree([.plain("A", [65])])
        _ = opens("A", tree, uid: 0, thread: 2)
        _ = opens("A", tree, uid: 0, thread: 99)
        let events = trail.events.withLock { $0 }
        #expect(events.map(\.outcome) == [.denied, .denied])
        #expect(events.map(\.actor.uid) == [1001, nil] && events.map(\.actor.thread) == [nil, 99])
        #expect(events.allSatisfy { $0.detail == "not a process of uid 1000, whose mount it is" })
    }
}

@Suite struct `The rights of a thread` {
    private static let text =
        "Name:\tUid:\\n\nUmask:\t0022\nTgid:\t17\nNSpid:\t17\t5\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t4294967294\n"

    @Test func `are in its status`() {
        let found = ProcessText.rights(inStatus: Array(Self.text.utf8))
        #expect(
            found == CallerIdentity.Rights(uids: [1, 2, 3, 4], gids: [5, 6, 7, 4_294_967_294], depth: 2))
    }

    @Test(arguments: [
        ("Uid:\t1\t2\t3\t4", "Uid:\t1\t2\t3"), ("Uid:\t1\t2\t3\t4", "Uid:\t1\t2\t3\t-4"), ("NSpid", "NSpgid"),
        ("Gid:\t5", "Gid:\t99999999999"), ("Uid:\t1\t2\t3\t4", "Uid:\t1\t2\t3\t4\t5"), ("Gid:\t", "Gid: "),
    ])
    func `are not known from anything else`(_ old: String, _ new: String) {
        let parts = Self.text.split(separator: old, maxSplits: 1, omittingEmptySubsequences: false)
        let text = parts.joined(separator: new)
        #expect(text != Self.text)
        #expect(ProcessText.rights(inStatus: Array(text.utf8)) == nil)
    }
}

@Suite struct `In the admin mount of a listed administrator` {
    private final class Listed: Sendable {
        let isSo = Mutex(true)
    }
    private let store = MemoryAdministration()
    private let listed = Listed()
    private let tree: AdminTree
    private let callers = KnownRights([
        1: rights([1000, 1000, 1000, 1000]), 2: rights([1001, 1001, 1001, 1001]),
        3: rights([1000, 0, 1000, 1000]),
    ])

    init() throws {
        tree = AdminTree(
            store, uid: 1000, gid: 1000, knowsThreads: true, onlyFor: 1000,
            whileListed: { [listed] in listed.isSo.withLock { $0 } }, callers: callers
        ) { _ in }
        try store.carryOut(
            .createAlgorithm(try AlgorithmName("nlp/Summarizer")), by: AuditActor(uid: 0))
    }

    private func find(_ path: String) throws(Refusal) -> NodeID {
        var node = NodeID.root
        for part in path.split(separator: "/") {
            node = try tree.lookUp(String(part).utf8Span.span, in: node).id
        }
        return node
    }

    /// Every request by which somebody looks into something or changes it.
    private func everything(by caller: Caller) throws -> [() throws -> Void] {
        let home = try find("algorithms/nlp/Summarizer")
        let secret = try find("algorithms/nlp/Summarizer/KEY")
        let value = try find("algorithms/nlp/Summarizer/KEY/value")
        let tree = tree
        return [
            { _ = try tree.openDirectory(home, by: caller) },
            { tree.close(try tree.open(value, for: .write, by: caller)) },
            { _ = try tree.open(find("algorithms/nlp/Summarizer/KEY/name"), by: caller) },
            {
                let value = try find("algorithms/nlp/Summarizer/KEY/value")
                try tree.resize(value, handle: nil, to: 0, by: caller)
            },
            { _ = try tree.create("beside".utf8Span.span, in: secret, for: .write, by: caller) },
            { _ = try tree.makeDirectory("OTHER".utf8Span.span, in: home, by: caller) },
            {
                try tree.rename(
                    "name".utf8Span.span, in: secret, to: "name~".utf8Span.span, in: secret, replacing: true,
                    by: caller)
            },
            { try tree.removeFile("name".utf8Span.span, in: secret, by: caller) },
            { try tree.removeDirectory("KEY".utf8Span.span, in: home, by: caller) },
        ]
    }

    @Test func `who is listed no more does nothing, also with what is open`() throws {
        let administrator = Caller(uid: 0, gid: 0, thread: 1)
        _ = try tree.makeDirectory(
            "KEY".utf8Span.span, in: find("algorithms/nlp/Summarizer"), by: administrator)
        let value = try tree.open(
            try find("algorithms/nlp/Summarizer/KEY/value"), for: .write, by: administrator)
        let bytes: [UInt8] = [65]
        try tree.write(bytes.span.bytes, to: value, at: 0, appending: false, by: administrator)
        listed.isSo.withLock { $0 = false }
        #expect(throws: Refusal.denied) { try tree.synchronize(value, by: administrator) }
        for request in try everything(by: administrator) {
            #expect(throws: Refusal.denied) { try request() }
        }
        #expect(store.contents.withLock { $0.secrets.isEmpty })
    }

    @Test func `nobody else does anything, and each try is recorded`() throws {
        let administrator = Caller(uid: 0, gid: 0, thread: 1)
        _ = try tree.makeDirectory(
            "KEY".utf8Span.span, in: find("algorithms/nlp/Summarizer"), by: administrator)
        for stranger in [
            Caller(uid: 1000, gid: 1000, thread: 2), Caller(uid: 1000, gid: 1000, thread: 3),
            Caller(uid: 1000, gid: 1000, thread: 0), Caller(uid: 1000, gid: 1000, thread: 99),
        ] {
            store.contents.withLock { $0.strangers = [] }
            let requests = try everything(by: stranger)
            for request in requests { #expect(throws: Refusal.denied) { try request() } }
            #expect(store.contents.withLock { $0.strangers.count } == requests.count)
        }
        store.contents.withLock { $0.strangers = [] }
        for request in try everything(by: administrator) {
            // Some find nothing any more after those before them.
            do { try request() } catch { #expect(error as? Refusal != .denied) }
        }
        #expect(store.contents.withLock { $0.strangers.isEmpty })
    }
}
