import Fuse
import Secrets

/// What an inode stands for. It never changes.
enum Content: Sendable {
    case entry(Entry)
    /// `.environ` of one generation, and its length.
    case environ(AlgorithmView, count: Int)
    /// An inode that was replaced long ago: what its attributes need, and no record.
    case retired(fileName: String, count: Int, modified: Timestamp)
    case generation

    var fileName: String {
        switch self {
        case .entry(let entry): entry.name.text
        case .environ: Environ.fileName
        case .retired(let fileName, _, _): fileName
        case .generation: GenerationReader.fileName
        }
    }

    var retired: Content {
        switch self {
        case .entry(let entry): .retired(fileName: fileName, count: entry.count, modified: entry.modified)
        case .environ(let view, let count):
            .retired(fileName: fileName, count: count, modified: view.modified)
        case .retired, .generation: self
        }
    }
}

extension Content {
    var isRetired: Bool {
        guard case .retired = self else { return false }
        return true
    }

    /// Whether its entry's time is over.
    var isExpired: Bool {
        guard case .entry(let entry) = self else { return false }
        return entry.isExpired
    }
}

/// A name whose inode changed or went: the kernel must forget that it knows it.
package struct StaleName: Hashable, Sendable {
    package let name: String
}

/// The tables of one mount. Value type, changed only under the tree's lock.
struct TreeState {
    private(set) var view: AlgorithmView
    /// The inode of each of `view.entries`, by position.
    private var entryNodes: [NodeID]
    private var environNode: NodeID
    private let generationNode = NodeID(rawValue: 2)
    private var lastNode: UInt64 = 2
    /// Inodes that the kernel knows by lookup, replaced ones included.
    private var known: [NodeID: Known] = [:]
    private struct Known {
        var content: Content
        var lookups: UInt64
    }
    /// What the last changes replaced, the newest first: an open that they overtook may still ask for it.
    private var replaced: [[NodeID]] = []
    private static let changesRemembered = 4
    private var retries = OpenRetries()
    var files = OpenFiles()
    /// Of what is shown now.
    private var lastListing: Listing?
    /// Whether there is a newer view that could not be read: nothing is opened until there is one again.
    var isWithheld = false
    /// For ever.
    var isEnded = false

    init(_ view: AlgorithmView) {
        self.view = view
        entryNodes = []
        environNode = generationNode
        entryNodes = view.entries.map { _ in newNode() }
        environNode = newNode()
    }

    private mutating func newNode() -> NodeID {
        lastNode += 1
        return NodeID(rawValue: lastNode)
    }

    // MARK: Changing what is shown

    /// - Returns: the names to forget, and the pollers to wake.
    mutating func publish(_ new: AlgorithmView) -> ([StaleName], [PollWaker]) {
        guard new.generation >= view.generation else { return ([], []) }
        guard !new.showsTheSame(as: view) else {
            isWithheld = false
            adopt(new)
            return ([], [])
        }
        guard new.generation > view.generation else { return ([], []) }
        isWithheld = false
        lastListing = nil
        var stale: [StaleName] = []
        var nodes: [NodeID] = []
        nodes.reserveCapacity(new.entries.count)
        var gone = [environNode]
        var old = view.entries.startIndex
        for entry in new.entries {
            while old < view.entries.endIndex, view.entries[old].name < entry.name {
                stale.append(StaleName(name: view.entries[old].name.text))
                gone.append(entryNodes[old])
                old += 1
            }
            guard old < view.entries.endIndex, view.entries[old].name == entry.name else {
                nodes.append(newNode())
                continue
            }
            if view.entries[old].isSameVersion(as: entry) {
                nodes.append(entryNodes[old])
                known[entryNodes[old]]?.content = .entry(entry)
            } else {
                nodes.append(newNode())
                stale.append(StaleName(name: entry.name.text))
                gone.append(entryNodes[old])
            }
            old += 1
        }
        stale += view.entries[old...].map { StaleName(name: $0.name.text) }
        gone += entryNodes[old...]
        stale.append(StaleName(name: Environ.fileName))
        entryNodes = nodes
        environNode = newNode()
        retire(gone)
        view = new.changed(after: view.modified)
        return (stale, files.takeWakers())
    }

    /// Takes the records of `new`, which shows the same: the present ones may be sealed by a key that is about to go.
    /// The generation stays, and so do inodes.
    private mutating func adopt(_ new: AlgorithmView) {
        lastListing = nil
        view = AlgorithmView(
            generation: view.generation, modified: view.modified, entries: new.entries,
            nextChange: new.nextChange, shared: new.shared, mounters: new.mounters)
        for (node, entry) in zip(entryNodes, new.entries) { known[node]?.content = .entry(entry) }
        let environ = environContent
        known[environNode]?.content = environ
    }

    /// A process can keep an inode for ever (O_PATH): it must not keep its records for ever.
    private mutating func retire(_ gone: [NodeID]) {
        replaced.insert(gone, at: 0)
        guard replaced.count > Self.changesRemembered else { return }
        for node in replaced.removeLast() {
            guard let content = known[node]?.content else { continue }
            known[node]?.content = content.retired
        }
    }

    // MARK: Nodes

    mutating func lookUp(_ name: Span<UInt8>) -> (NodeID, Content)? {
        guard let found = find(name), !found.1.isExpired else { return nil }
        known[found.0, default: Known(content: found.1, lookups: 0)].lookups += 1
        return found
    }

    private func find(_ name: Span<UInt8>) -> (NodeID, Content)? {
        if name.equals(Environ.fileName) { return (environNode, environContent) }
        if name.equals(GenerationReader.fileName) { return (generationNode, .generation) }
        var range = 0..<view.entries.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let order = name.compare(with: view.entries[middle].name.text)
            if order == 0 { return (entryNodes[middle], .entry(view.entries[middle])) }
            range = order < 0 ? range.lowerBound..<middle : middle + 1..<range.upperBound
        }
        return nil
    }

    private var environContent: Content { .environ(view, count: Environ.count(of: view.entries)) }

    mutating func forget(_ node: NodeID, lookups count: UInt64) {
        guard let lookups = known[node]?.lookups else { return }
        if lookups > count { known[node]?.lookups = lookups - count } else { known[node] = nil }
    }

    func content(of node: NodeID) -> Content? { known[node]?.content }

    /// What an open of `node` by `thread` shows.
    ///
    /// The kernel retries an open that was answered with ESTALE once, and gives the second ESTALE to the program. A
    /// change can overtake the retry too: between its lookup and its open. Then it gets the version that its lookup
    /// found, which was the newest one after this open began; under the rules of now, and if it is still there.
    ///
    /// - Throws: `.stale`, if it must look the name up again; `.notFound`, if the retry found what was deleted since.
    mutating func contentToOpen(_ node: NodeID, by thread: Int32) throws(Refusal) -> Content {
        // Looked up again, what is expired is not found.
        guard let content = known[node]?.content, !content.isRetired, !content.isExpired else { throw .stale }
        let name = content.fileName
        let current = find(name.utf8Span.span)
        let isRetry = retries.end(thread, name, with: node)
        if let current, current.0 == node { return content }
        guard isRetry else {
            retries.begin(thread, name, from: current?.0 ?? NodeID(rawValue: lastNode + 1))
            throw .stale
        }
        switch content {
        case .entry(let entry):
            guard let entry = ruled(entry) else { throw .notFound }
            return .entry(entry)
        case .environ(let view, let count):
            let entries = view.entries.compactMap { $0.delivery == .env ? ruled($0) : $0 }
            guard entries.count == view.entries.count else { throw .stale }
            return .environ(view.showing(entries), count: count)
        case .generation, .retired: throw .stale
        }
    }

    /// A version that was replaced, under the rules of now; nil if the secret was deleted.
    private func ruled(_ entry: Entry) -> Entry? {
        guard case .entry(let now) = find(entry.name.text.utf8Span.span)?.1, now.secret == entry.secret else {
            return nil
        }
        return entry.ruled(as: now)
    }

    /// The listing of now, in the order of names. Those that are open share one, as long as nothing changes.
    mutating func listing() -> Listing {
        let now = view.entries.contains { $0.expires != nil } ? Timestamp.now() : nil
        let shown = view.entries.indices.filter { index in
            now.map { !view.entries[index].isExpired(at: $0) } ?? true
        }
        // What is not expired at one time is a part of what is not at an earlier one: as many are the same ones.
        if let lastListing, lastListing.names.count == shown.count { return lastListing }
        let listing = Listing(
            names: shown.map { view.entries[$0].name }, nodes: shown.map { entryNodes[$0] },
            environ: environNode, generation: generationNode)
        lastListing = listing
        return listing
    }
}
