import Fuse
import Secrets
import Synchronization

/// Attributes are the same for every caller: the kernel caches them per inode, not per process.
extension AlgorithmTree {
    /// The kernel keeps what it was told about a name until it is told to forget it.
    private static let untilInvalidated: Double = 86_400

    func node(_ id: NodeID, _ content: Content) -> Node {
        switch content {
        case .entry(let entry):
            let validity = Self.validity(of: entry)
            return file(
                id, size: entry.count, modified: entry.modified, nameValidity: validity,
                attributeValidity: validity)
        case .environ(let view, let count):
            return file(id, size: count, modified: view.modified, attributeValidity: Self.untilInvalidated)
        case .retired(_, let count, let modified):
            return file(id, size: count, modified: modified, attributeValidity: Self.untilInvalidated)
        case .generation:
            let view = state.withLock { $0.view }
            let count = GenerationReader.text(view.generation).utf8.count
            return file(id, size: count, modified: view.modified, attributeValidity: 0)
        }
    }

    /// Nothing where the mount is a listed user's: they may keep a request of theirs unanswered, and with it the
    /// directory's lock, on which the thread that tells the kernel to forget a name would then wait for ever. What the
    /// kernel does not keep, it need not be told to forget.
    private func limited(_ node: Node) -> Node {
        guard user != nil else { return node }
        var node = node
        (node.nameValidity, node.attributeValidity) = (0, 0)
        return node
    }

    func rootNode() -> Node {
        let modified = state.withLock { $0.view.modified }
        return limited(
            Node(
                id: .root, kind: .directory, permissions: attributes.directoryMode, uid: attributes.uid,
                gid: attributes.gid, size: 0, modified: (modified.seconds, modified.nanoseconds),
                nameValidity: Self.untilInvalidated, attributeValidity: Self.untilInvalidated))
    }

    /// Until its end, if it has one.
    private static func validity(of entry: Entry) -> Double {
        guard let expires = entry.expires else { return untilInvalidated }
        let now = Timestamp.now()
        let left =
            Double(expires.seconds) - Double(now.seconds)
            + (Double(expires.nanoseconds) - Double(now.nanoseconds)) / 1e9
        return min(max(left, 0), untilInvalidated)
    }

    private func file(
        _ id: NodeID, size: Int, modified: Timestamp, nameValidity: Double = untilInvalidated,
        attributeValidity: Double
    ) -> Node {
        limited(
            Node(
                id: id, kind: .file, permissions: attributes.fileMode, uid: attributes.uid,
                gid: attributes.gid, size: UInt64(size), modified: (modified.seconds, modified.nanoseconds),
                nameValidity: nameValidity, attributeValidity: attributeValidity))
    }
}

extension Entry {
    /// Whether `other` has the same bytes: then it keeps its inode.
    func isSameVersion(as other: Entry) -> Bool {
        secret == other.secret && version == other.version && count == other.count
            && modified == other.modified
    }
}

extension AlgorithmView {
    /// Whether nobody could tell it from `other`: then there is no sign that anything was changed.
    func showsTheSame(as other: AlgorithmView) -> Bool {
        entries.count == other.entries.count
            && zip(entries, other.entries).allSatisfy {
                $0.name == $1.name && $0.isSameVersion(as: $1) && $0.callers == $1.callers
                    && $0.expires == $1.expires && $0.delivery == $1.delivery
                    && $0.detailsMark == $1.detailsMark && $0.isUnreadable == $1.isUnreadable
            }
    }

    /// The same at a later time than `before`: what went leaves no time of its own.
    func changed(after before: Timestamp) -> AlgorithmView {
        guard modified <= before else { return self }
        return AlgorithmView(
            generation: generation, modified: max(before, .now()), entries: entries, nextChange: nextChange,
            shared: shared, mounters: mounters)
    }
}
