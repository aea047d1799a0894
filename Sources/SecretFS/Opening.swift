package import Fuse
import Secrets
import Synchronization

/// Who may open what, decided at each open anew: a rule that changes holds for the next one.
extension AlgorithmTree {
    package func open(_ id: NodeID, by caller: Caller) throws(Refusal) -> HandleID {
        if id == .root { throw .isDirectory }
        let content = state.withLock { state in state.contentToOpen(id, by: caller.thread) }
        guard let content else { throw .stale }
        // A number of another process namespace is somebody else's in ours.
        let caller = Caller(uid: caller.uid, gid: caller.gid, thread: knowsThreads ? caller.thread : 0)
        let file: OpenFile
        do { file = try open(content, of: id, by: caller) } catch let error {
            if error != .stale { onProblem(content.fileName, error) }
            throw error
        }
        return state.withLock { state in state.files.add(file) }
    }

    private func open(_ content: Content, of id: NodeID, by caller: Caller) throws(Refusal) -> OpenFile {
        switch content {
        case .entry(let entry):
            if !entry.callers.isEmpty {
                var gate = Gate(caller, callers, for: [entry])
                guard try gate.lets(entry) else { throw .denied }
            }
            return try pinned(PlaintextID(node: id), count: entry.count) {
                let value = try SecretValue(capacity: entry.count) { try entry.sealed.open(into: &$0) }
                guard value.count == entry.count else { throw Refusal.damaged }
                return value
            }
        case .environ(let view, let count):
            return try environ(view.entries, count: count, of: id, by: caller)
        case .generation:
            return .generation(GenerationReader())
        case .retired:
            throw .stale
        }
    }

    private func environ(
        _ entries: [Entry], count: Int, of id: NodeID, by caller: Caller
    ) throws(Refusal) -> OpenFile {
        guard Environ.varies(entries) else {
            guard count <= Environ.maximumCount else { throw .tooLarge }
            return try pinned(PlaintextID(node: id), count: count) {
                try Environ.build(entries, count: count)
            }
        }
        let withheld = try withheld(entries, from: caller)
        var left = entries
        for index in withheld.reversed() { left.remove(at: index) }
        let count = Environ.count(of: left)
        guard count <= Environ.maximumCount else { throw .tooLarge }
        let plaintext = PlaintextID(node: id, varies: true, withheld: withheld)
        return try pinned(plaintext, count: count) { try Environ.build(left, count: count) }
    }

    /// The variables that are not for `caller`, by position, ascending.
    ///
    /// - Throws: `.denied` if rules leave none of those that there are: a program would start without any and
    ///   nobody would see why.
    private func withheld(_ entries: [Entry], from caller: Caller) throws(Refusal) -> [Int] {
        let now = Timestamp.now()
        var gate = Gate(caller, callers, for: entries)
        var withheld: [Int] = []
        var (denied, shown) = (0, 0)
        for (index, entry) in entries.enumerated() where entry.delivery == .env {
            if entry.isExpired(at: now) {
                withheld.append(index)
            } else if try gate.lets(entry) {
                shown += 1
            } else {
                withheld.append(index)
                denied += 1
            }
        }
        guard shown > 0 || denied == 0 else { throw .denied }
        return withheld
    }

    /// An open file on the plaintext that is in memory, or that `open` puts there.
    private func pinned(
        _ id: PlaintextID, count: Int, _ open: () throws -> SecretValue
    ) throws(Refusal) -> OpenFile {
        let (shared, hasRoom) = state.withLock { state in
            (state.files.plaintext(of: id), state.files.hasRoom(for: count))
        }
        if let shared { return .pinned(shared, of: id) }
        guard hasRoom else { throw .noMemory }
        do {
            return .pinned(try open(), of: id)
        } catch let refusal as Refusal {
            throw refusal
        } catch OpenError.sealed {
            throw .sealed
        } catch is SecretMemoryError {
            throw .noMemory
        } catch {
            throw .damaged
        }
    }
}

/// One caller before the rules of one open. Who it is, is found out once, and only as far as a rule asks.
private struct Gate {
    private let caller: Caller
    private let resolver: any CallerResolver
    private let question: CallerQuestion
    private var identity: CallerIdentity?

    init(_ caller: Caller, _ resolver: any CallerResolver, for entries: [Entry]) {
        self.caller = caller
        self.resolver = resolver
        var question = CallerQuestion.nothing
        for entry in entries { for rule in entry.callers { question.add(rule) } }
        self.question = question
    }

    /// - Throws: `.denied` if a rule asks who it is and that cannot be told: then it is nobody's turn, and no
    ///   part of `.environ` is given out as if it were the whole.
    mutating func lets(_ entry: Entry) throws(Refusal) -> Bool {
        guard !entry.callers.isEmpty else { return true }
        // Outside of our process namespace: nobody whom a rule could mean.
        guard caller.thread > 0,
            entry.callers.allSatisfy({ $0.mayAllow(uid: caller.uid, gid: caller.gid) })
        else { return false }
        guard entry.callers.contains(where: \.needsProcess) else { return true }
        let identity = try known()
        return entry.callers.allSatisfy { $0.allows(identity) }
    }

    private mutating func known() throws(Refusal) -> CallerIdentity {
        if let identity { return identity }
        do {
            let found = try resolver.identity(
                uid: caller.uid, gid: caller.gid, thread: caller.thread, question)
            identity = found
            return found
        } catch {
            throw .denied
        }
    }
}
