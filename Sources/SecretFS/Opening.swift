import Fuse
import Secrets
import Synchronization

/// Who may open what, decided at each open anew: a rule that changes holds for the next one.
extension AlgorithmTree {
    /// What a caller gets that `gate` lets.
    func open(_ content: Content, of id: NodeID, _ gate: inout CallerGate) throws(Refusal) -> OpenFile {
        switch content {
        case .entry(let entry):
            guard try gate.lets(entry) else { throw .denied }
            return try pinned(PlaintextID(node: id), of: CollectionOfOne(entry), count: entry.count) {
                let value = try SecretValue(capacity: entry.count) { try entry.sealed.open(into: &$0) }
                guard value.count == entry.count else { throw Refusal.damaged }
                return value
            }
        case .environ(let view, let count):
            return try environ(view.entries, count: count, of: id, &gate)
        case .generation:
            return .generation(GenerationReader())
        case .retired:
            throw .stale
        }
    }

    private func environ(
        _ entries: [Entry], count: Int, of id: NodeID, _ gate: inout CallerGate
    ) throws(Refusal) -> OpenFile {
        guard Environ.varies(entries) else {
            guard count <= Environ.maximumCount else { throw .tooLarge }
            return try pinned(PlaintextID(node: id), of: variables(entries), count: count) {
                try Environ.build(entries, count: count)
            }
        }
        let withheld = try withheld(entries, &gate)
        gate.withheldCount = withheld.count
        var left = entries
        for index in withheld.reversed() { left.remove(at: index) }
        let count = Environ.count(of: left)
        guard count <= Environ.maximumCount else { throw .tooLarge }
        let plaintext = PlaintextID(node: id, varies: true, withheld: withheld)
        return try pinned(plaintext, of: variables(left), count: count) {
            try Environ.build(left, count: count)
        }
    }

    private func variables(_ entries: [Entry]) -> some Sequence<Entry> {
        entries.lazy.filter { $0.delivery == .env }
    }

    /// The variables that are not for the caller, by position, ascending.
    ///
    /// - Throws: `.denied` if rules leave none of those that there are: a program would start without any and
    ///   nobody would see why.
    private func withheld(_ entries: [Entry], _ gate: inout CallerGate) throws(Refusal) -> [Int] {
        let now = Timestamp.now()
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
    ///
    /// What somebody holds open is no key for others: each of `entries` must be one that would open now.
    private func pinned(
        _ id: PlaintextID, of entries: some Sequence<Entry>, count: Int, _ open: () throws -> SecretValue
    ) throws(Refusal) -> OpenFile {
        let (shared, hasRoom) = state.withLock { state in
            (state.files.plaintext(of: id), state.files.hasRoom(for: count))
        }
        guard shared != nil || hasRoom else { throw .noMemory }
        do {
            guard let shared else { return .pinned(try open(), of: id) }
            for entry in entries { try entry.sealed.check() }
            return .pinned(shared, of: id)
        } catch let refusal as Refusal {
            throw refusal
        } catch OpenError.sealed {
            throw .sealed
        } catch OpenError.awaited {
            throw .awaited
        } catch let damage as Environ.Damaged {
            // The file alone would not say which secret.
            onProblem(damage.name.text, .damaged)
            throw .damaged
        } catch is SecretMemoryError {
            throw .noMemory
        } catch {
            throw .damaged
        }
    }
}
