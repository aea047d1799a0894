import Fuse
import Glibc
import Synchronization

/// A flat directory of small texts that a test can change while it is mounted, and that counts what the
/// kernel asks.
final class ChangingTree: FileTree {
    struct File {
        var node: NodeID
        var text: [UInt8]
    }
    struct State {
        var files: [String: File] = [:]
        var order: [String] = []
        var lastNumber: UInt64 = 1
        var open: [HandleID: [UInt8]] = [:]
        var listings: [HandleID: [String]] = [:]
        /// Names whose next OPEN is answered with ESTALE.
        var stale: Set<String> = []
        var counts: [String: Int] = [:]
        var wakers: [PollWaker] = []
        var hasNews = false
        /// How long each OPEN takes, in microseconds.
        var delay: UInt32 = 0
    }
    private let state = Mutex(State())
    private let nameValidity: Double

    init(entries count: Int, nameValidity: Double = 3600) {
        self.nameValidity = nameValidity
        for index in 0..<count { put("ENTRY_\(index)", Array("value \(index)".utf8)) }
    }

    func put(_ name: String, _ text: [UInt8]) {
        state.withLock { state in
            if state.files[name] == nil { state.order.append(name) }
            state.lastNumber += 1
            state.files[name] = File(node: NodeID(rawValue: state.lastNumber), text: text)
        }
    }

    func delete(_ name: String) {
        state.withLock { state in
            state.files[name] = nil
            state.order.removeAll { $0 == name }
        }
    }

    /// The next OPEN of `name` is answered with ESTALE; after that it is another node.
    func makeStale(_ name: String) { state.withLock { state in _ = state.stale.insert(name) } }

    /// Each OPEN takes this long from now on.
    func slowDown(milliseconds: UInt32) { state.withLock { $0.delay = milliseconds * 1000 } }

    func takeWakers() -> [PollWaker] {
        state.withLock { state in
            state.hasNews = true
            defer { state.wakers = [] }
            return state.wakers
        }
    }

    func takeCounts() -> [String: Int] {
        state.withLock { state in
            defer { state.counts = [:] }
            return state.counts
        }
    }

    var openHandles: Int { state.withLock { $0.open.count + $0.listings.count } }

    func lookUp(_ name: Span<UInt8>, in directory: NodeID) throws(Refusal) -> Node {
        let name = String(decoding: (0..<name.count).map { name[$0] }, as: UTF8.self)
        return try state.withLock { state throws(Refusal) in
            state.counts["lookup", default: 0] += 1
            if name == "directory" { return inner }
            guard let file = state.files[name] else { throw .notFound }
            return node(file)
        }
    }

    func forget(_ node: NodeID, lookups count: UInt64) {
        state.withLock { $0.counts["forget", default: 0] += 1 }
    }

    func attributes(of node: NodeID, handle: HandleID?) throws(Refusal) -> Node {
        try state.withLock { state throws(Refusal) in
            state.counts["getattr", default: 0] += 1
            if node == .root { return root }
            if node == inner.id { return inner }
            guard let file = state.files.values.first(where: { $0.node == node }) else { throw .stale }
            return self.node(file)
        }
    }

    func open(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        usleep(state.withLock { $0.delay })
        return try state.withLock { state throws(Refusal) in
            state.counts["open", default: 0] += 1
            guard let (name, file) = state.files.first(where: { $0.value.node == node }) else { throw .stale }
            state.lastNumber += 1
            if state.stale.remove(name) != nil {
                state.files[name]?.node = NodeID(rawValue: state.lastNumber)
                throw .stale
            }
            let handle = HandleID(rawValue: state.lastNumber)
            state.open[handle] = file.text
            return handle
        }
    }

    func read(
        _ handle: HandleID, at offset: UInt64, count: Int, _ answer: (RawSpan) -> Void
    ) throws(Refusal) {
        let text = try state.withLock { state throws(Refusal) in
            state.counts["read", default: 0] += 1
            guard let text = state.open[handle] else { throw .damaged }
            return text
        }
        let start = Int(min(offset, UInt64(text.count)))
        answer(text.span.bytes.extracting(start..<min(text.count, start + count)))
    }

    func close(_ handle: HandleID) {
        state.withLock { state in
            state.counts["close", default: 0] += 1
            state.open[handle] = nil
        }
    }

    func openDirectory(_ node: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        state.withLock { state in
            state.lastNumber += 1
            let handle = HandleID(rawValue: state.lastNumber)
            state.listings[handle] = state.order
            return handle
        }
    }

    func readDirectory(
        _ handle: HandleID, after offset: UInt64, _ add: (borrowing DirectoryEntry) -> Bool
    ) throws(Refusal) {
        let names = state.withLock { state in
            state.counts["readdir", default: 0] += 1
            return state.listings[handle] ?? []
        }
        for index in min(Int(offset), names.count)..<names.count {
            let entry = DirectoryEntry(
                name: names[index], node: NodeID(rawValue: 99), kind: .file, nextOffset: UInt64(index + 1))
            guard add(entry) else { return }
        }
    }

    func closeDirectory(_ handle: HandleID) { state.withLock { $0.listings[handle] = nil } }

    func extendedAttribute(_ name: Span<UInt8>, of node: NodeID) throws(Refusal) -> [UInt8] {
        let name = String(decoding: (0..<name.count).map { name[$0] }, as: UTF8.self)
        guard name == "user.test" else { throw .noAttribute }
        return Array("attribute".utf8)
    }

    func extendedAttributeNames(of node: NodeID) throws(Refusal) -> [UInt8] { Array("user.test\0".utf8) }

    func poll(_ handle: HandleID, _ waker: PollWaker?) throws(Refusal) -> Readiness {
        state.withLock { state in
            state.counts["poll", default: 0] += 1
            if state.hasNews {
                state.hasNews = false
                return .changed
            }
            if let waker { state.wakers.append(waker) }
            return .quiet
        }
    }

    private func node(_ file: File) -> Node {
        Node(
            id: file.node, kind: .file, permissions: 0o444, uid: 0, gid: 0, size: UInt64(file.text.count),
            modified: (1_700_000_000, 5), nameValidity: nameValidity, attributeValidity: nameValidity)
    }
    /// A directory inside, to show that it is no place for a mount.
    private var inner: Node {
        var node = root
        node.id = NodeID(rawValue: .max)
        return node
    }
    private var root: Node {
        Node(
            id: .root, kind: .directory, permissions: 0o755, uid: 0, gid: 0, size: 0,
            modified: (1_700_000_000, 5), nameValidity: nameValidity, attributeValidity: nameValidity)
    }
}
