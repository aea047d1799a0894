import Fuse
import Secrets
import Synchronization
import Testing

@testable import SecretFS

/// > What failed once fails at every later `close` of that open. — docs/SEMANTICS.md#values
@Suite struct `The admin tree` {
    private let store = MemoryAdministration()
    private let tree: AdminTree
    private let problems = Problems()
    private let secret: SecretReference

    final class Problems: Sendable { let all = Mutex<[AdminTree.Problem]>([]) }

    init() throws {
        let problems = problems
        tree = AdminTree(store, uid: 0, gid: 0, knowsThreads: false) { problem in
            problems.all.withLock { $0.append(problem) }
        }
        let name = try AlgorithmName("nlp/Summarizer")
        try store.carryOut(.createAlgorithm(name), by: AuditActor(uid: 0))
        secret = SecretReference(home: .algorithm(name), name: try EnvironmentName("KEY"))
    }

    private let caller = Caller(uid: 7, gid: 8, thread: 0)

    private func find(_ path: String) throws(Refusal) -> NodeID {
        var node = NodeID.root
        for part in path.split(separator: "/") {
            node = try tree.lookUp(String(part).utf8Span.span, in: node).id
        }
        return node
    }
    private func home() throws -> NodeID { try find("algorithms/nlp/Summarizer") }
    private func directory() throws -> NodeID { try find("algorithms/nlp/Summarizer/KEY") }
    private func makeSecret() throws {
        _ = try tree.makeDirectory("KEY".utf8Span.span, in: home(), by: caller)
    }
    private func open(_ name: String, _ mode: OpenMode = [.write, .truncate]) throws -> HandleID {
        try tree.open(tree.lookUp(name.utf8Span.span, in: directory()).id, for: mode, by: caller)
    }
    private func write(_ text: String, _ handle: HandleID, at offset: UInt64 = 0) throws(Refusal) {
        try tree.write(Array(text.utf8).span.bytes, to: handle, at: offset, appending: false, by: caller)
    }
    private func close(_ handle: HandleID) throws(Refusal) {
        defer { tree.close(handle) }
        try tree.flush(handle, by: caller)
    }
    private func put(_ text: String, into name: String = "value") throws {
        let handle = try open(name)
        try write(text, handle)
        try close(handle)
    }
    private func text(_ name: String) throws -> String {
        let handle = try open(name, .read)
        defer { tree.close(handle) }
        var bytes: [UInt8] = []
        try tree.read(handle, at: 0, count: 4096) { span in
            bytes = (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
    private var values: [String] { store.values(secret).map { String(decoding: $0, as: UTF8.self) } }

    @Test func `a directory becomes a secret with its first value, and keeps what was said before`() throws {
        try makeSecret()
        try put("A name\n", into: "name")
        try put("file", into: "delivery")
        #expect(values.isEmpty)
        try put("first")
        #expect(values == ["first"])
        #expect(try text("name") == "A name\n" && text("delivery") == "file\n")
        #expect(try text("modified_by") == "uid 7\n")
    }

    @Test func `closing again without new data makes no second version`() throws {
        try makeSecret()
        let handle = try open("value")
        try tree.flush(handle, by: caller)
        #expect(values.isEmpty)
        try write("one", handle)
        try tree.flush(handle, by: caller)
        try tree.flush(handle, by: caller)
        try tree.synchronize(handle, by: caller)
        try close(handle)
        #expect(values == ["one"])
    }

    @Test func `what failed once fails at every later close, and is never stored`() throws {
        try makeSecret()
        try put("first")
        let handle = try open("value")
        try write("second", handle)
        store.contents.withLock { $0.failure = AdministrationError(.full, "no space is left") }
        #expect(throws: Refusal.full) { try tree.flush(handle, by: caller) }
        store.contents.withLock { $0.failure = nil }
        #expect(throws: Refusal.full) { try tree.flush(handle, by: caller) }
        #expect(throws: Refusal.full) { try write("more", handle, at: 6) }
        tree.release(handle)
        tree.close(handle)
        #expect(values == ["first"])
        #expect(problems.all.withLock { $0.map(\.message) } == ["no space is left"])
    }

    @Test func `a hole is refused and spoils what was written`() throws {
        try makeSecret()
        let handle = try open("value")
        try write("abc", handle)
        #expect(throws: Refusal.invalid) { try write("x", handle, at: 4) }
        #expect(throws: Refusal.invalid) { try close(handle) }
        #expect(values.isEmpty)
    }

    @Test(arguments: [UInt64.max, UInt64(Int64.max), 1 << 62, 1_048_576])
    func `no offset ends the process`(_ offset: UInt64) throws {
        try makeSecret()
        let handle = try open("value")
        #expect(throws: Refusal.tooLarge) { try write("x", handle, at: offset) }
        #expect(throws: Refusal.invalid) {
            try tree.resize(NodeID(rawValue: 1), handle: handle, to: offset, by: caller)
        }
    }

    @Test func `a mount that ends stores nothing of what is half written`() throws {
        try makeSecret()
        let handle = try open("value")
        try write("half", handle)
        tree.close(handle)
        #expect(values.isEmpty)
        #expect(tree.state.withLock { $0.plaintextCount } == 0)
    }

    @Test func `values are never opened for reading`() throws {
        try makeSecret()
        try put("first")
        for mode in [OpenMode.read, [.read, .write], [.read, .write, .truncate]] {
            #expect(throws: Refusal.denied) { try open("value", mode) }
        }
        #expect(store.contents.withLock { $0.denials } == [secret, secret, secret])
        #expect(throws: Refusal.notSupported) { try open("value", [.write, .append]) }
        #expect(throws: Refusal.denied) { try open("version", .write) }
    }

    @Test func `a file renamed over value is one version, and wiped`() throws {
        try makeSecret()
        let (node, handle) = try tree.create(
            ".value.tmp".utf8Span.span, in: directory(), for: [.write, .exclusive], by: caller)
        try write("from a temporary file", handle)
        try tree.rename(
            ".value.tmp".utf8Span.span, in: directory(), to: "value".utf8Span.span, in: directory(),
            replacing: true, by: caller)
        #expect(values == ["from a temporary file"])
        #expect(throws: Refusal.stale) { try write("late", handle) }
        tree.close(handle)
        tree.forget(node.id, lookups: 1)
        #expect(tree.state.withLock { $0.temporaryCount + $0.plaintextCount } == 0)
    }

    @Test func `files without a name count as long as they are open`() throws {
        try makeSecret()
        let piece = String(repeating: "x", count: SecretValue.maximumCount)
        var handles: [HandleID] = []
        let refusal = #expect(throws: Refusal.self) {
            while handles.count < 200 {
                let (_, handle) = try tree.create(
                    ".t".utf8Span.span, in: directory(), for: [.write, .exclusive], by: caller)
                handles.append(handle)
                try write(piece, handle)
                try tree.removeFile(".t".utf8Span.span, in: directory(), by: caller)
            }
        }
        #expect(refusal == .noMemory || refusal == .full)
        #expect(tree.state.withLock { $0.plaintextCount } <= AdminState.maximumPlaintext)
        #expect(tree.state.withLock { $0.temporaryCount } <= TemporaryFile.maximumFiles)
        for handle in handles { tree.close(handle) }
        #expect(tree.state.withLock { $0.temporaryCount + $0.plaintextCount } == 0)
    }

    @Test func `unlinked files are back with the next listing, and rmdir deletes`() throws {
        try makeSecret()
        try put("first")
        let directory = try directory()
        try tree.removeFile("value".utf8Span.span, in: directory, by: caller)
        #expect(throws: Refusal.notFound) { try tree.lookUp("value".utf8Span.span, in: directory) }
        #expect(values == ["first"])
        tree.closeDirectory(try tree.openDirectory(directory, by: caller))
        _ = try tree.lookUp("value".utf8Span.span, in: directory)
        try tree.removeDirectory("KEY".utf8Span.span, in: home(), by: caller)
        #expect(throws: Refusal.notFound) { try self.directory() }
    }

    @Test func `every reason of the store has its own errno, and damage is told like an outage`() {
        let refusals = AdministrationError.Reason.allCases.map { Refusal($0) }
        #expect(Set(refusals).count == refusals.count - 1)
    }

    /// > what else is open at most 10,000 files and directories with 256 MiB — docs/SEMANTICS.md#values
    @Test func `what open files show has a limit together, and what is closed is free again`() throws {
        var state = AdminState()
        let quarter = [UInt8](repeating: 0, count: AdminState.maximumShown / 4)
        let handles = try (0..<4).map { _ in try state.add(.text(quarter)) }
        let entry = DirectoryEntry(name: "A", node: .root, kind: .file, nextOffset: 1)
        #expect(throws: Refusal.noMemory) { try state.add(.listing([entry])) }
        #expect(state.remove(handles[0]) != nil && state.remove(handles[0]) == nil)
        _ = try state.add(.listing([entry]))
        #expect(throws: Refusal.noMemory, "the listing counts") { try state.add(.text(quarter)) }
    }

    @Test func `no more names are known than may be, until the kernel forgets one`() throws {
        var nodes = PlaceNodes(atMost: 3)
        let first = try nodes.lookUp(.algorithms)
        _ = try nodes.lookUp(.owners)
        #expect(throws: Refusal.noMemory) { try nodes.lookUp(.owner(OwnerName("nlp"))) }
        #expect(try nodes.lookUp(.algorithms) == first)
        nodes.forget(first, lookups: 2)
        _ = try nodes.lookUp(.owner(OwnerName("nlp")))
    }
}
