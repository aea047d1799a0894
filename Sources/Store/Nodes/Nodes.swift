import FoundationEssentials
package import Secrets

/// What of a node is to be changed; nil and empty: as it is.
package struct NodeUpdate: Sendable {
    package var allowing: [Grantee]
    package var disallowing: [Grantee]
    /// In seconds; see `NodePolicy`.
    package var maximumStale: UInt32?
    package var keeps: Bool?
    /// For ever.
    package var revokes: Bool

    package init(
        allowing: [Grantee] = [], disallowing: [Grantee] = [], maximumStale: UInt32? = nil,
        keeps: Bool? = nil, revokes: Bool = false
    ) {
        self.allowing = allowing
        self.disallowing = disallowing
        self.maximumStale = maximumStale
        self.keeps = keeps
        self.revokes = revokes
    }
}

/// The nodes of this store. A server that serves them follows these records: a change holds at once.
extension SecretStore {
    /// By name.
    package func nodes() throws(StoreError) -> [Node] {
        let snapshot = try storing { () throws(StorageError) in
            try storage.read([.prefix(Keys.nodes)], at: nil)
        }
        var nodes: [Node] = []
        for record in snapshot.records {
            guard let name = Keys.nodeName(record.key) else { throw .damaged(record: record.key.text) }
            nodes.append(try foundNode(name, record).value)
        }
        return nodes
    }

    /// - Throws: `.nodeMissing`.
    package func node(_ name: NodeName) throws(StoreError) -> Node { try findNode(name).value }

    /// - Throws: `.nodeMissing`, `.tooManyAllowed`.
    @discardableResult
    package func updateNode(
        _ name: NodeName, _ update: NodeUpdate, by actor: Actor = .thisProcess
    ) throws(StoreError) -> Node {
        try changing(name, by: actor) { node in
            let removed = Set(update.disallowing)
            let allowed = Set(node.allowed.filter { !removed.contains($0) } + update.allowing).sorted()
            var details = allowed.filter { !node.allowed.contains($0) }.map { "+\($0)" }
            details += node.allowed.filter { !allowed.contains($0) }.map { "-\($0)" }
            node.allowed = allowed
            let policy = NodePolicy(
                maximumStale: update.maximumStale ?? node.policy.maximumStale,
                keeps: update.keeps ?? node.policy.keeps)
            if policy.maximumStale != node.policy.maximumStale {
                details.append("max-stale \(policy.maximumStale)s")
            }
            if policy.keeps != node.policy.keeps { details.append(policy.keeps ? "keeps" : "keeps nothing") }
            node.policy = policy
            if update.revokes, !node.isRevoked {
                node.isRevoked = true
                details.append("revoked")
            }
            return details
        }
    }

    /// Also one whose record does not open any more.
    ///
    /// - Throws: `.nodeMissing`.
    package func deleteNode(_ name: NodeName, by actor: Actor = .thisProcess) throws(StoreError) {
        let key = Keys.node(name)
        try retrying("node \(name)") { () throws(StoreError) in
            let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
            guard let record = snapshot.records.first else { throw .nodeMissing(name) }
            let event = AuditEvent(.nodeDelete, by: AuditActor(changingAs: actor), detail: name.text)
            try commit(
                if: [.unchanged(key, since: record.modified)],
                then: [.delete(key)] + (try deletedEnrollments(of: name)), recording: [event])
        }
    }

    // MARK: Certificates

    /// Adds a certificate by which the node is known, beside the one that it shows now: it may never get the new one. Nor
    /// is the one before in vain: two connections of a node may ask, of which one has ended.
    ///
    /// - Parameters:
    ///   - mark: its SHA-256.
    ///   - shown: that of the one that the node shows.
    /// - Throws: `.nodeMissing`.
    package func addCertificate(_ mark: [UInt8], to name: NodeName, shown: [UInt8]) throws(StoreError) {
        try changing(name, by: .thisProcess) { node in
            // Another machine may have become the node of this name.
            guard node.certificates.contains(shown) else { return [] }
            let others = node.certificates.filter { $0 != shown }.suffix(Node.maximumCertificates - 2)
            node.certificates = [shown] + others + [mark]
            return ["certificate \(hexadecimal(mark).prefix(16))"]
        }
    }

    // MARK: Below: shared by the operations

    func findNode(_ name: NodeName) throws(StoreError) -> Found<Node> {
        let key = Keys.node(name)
        let snapshot = try storing { () throws(StorageError) in try storage.read([.key(key)], at: nil) }
        guard let record = snapshot.records.first else { throw .nodeMissing(name) }
        return try foundNode(name, record)
    }

    private func foundNode(_ name: NodeName, _ record: StoredRecord) throws(StoreError) -> Found<Node> {
        let node = try decode(record) { bytes throws(RecordFormatError) in try Node(name, decoding: bytes) }
        return Found(value: node, record: record)
    }

    func sealed(_ node: Node) throws(StoreError) -> Transaction.Change {
        var random = RandomBlock()
        let key = Keys.node(node.name)
        return .put(key, try seal(metadata: node.encoded(), under: key, &random))
    }

    /// - Parameter change: answers what it changed, for the audit log; nothing changed, nothing is written.
    @discardableResult
    private func changing(
        _ name: NodeName, by actor: Actor, _ change: (inout Node) -> [String]
    ) throws(StoreError) -> Node {
        try retrying("node \(name)") { () throws(StoreError) in
            let found = try findNode(name)
            var next = found.value
            let details = change(&next)
            guard next != found.value else { return next }
            guard next.allowed.count <= Node.maximumAllowed else { throw .tooManyAllowed(name) }
            next.modified = .now()
            let detail = ([name.text] + details).joined(separator: " ")
            // Who is revoked must not come back by a token that is still about.
            let tokens = next.isRevoked && !found.value.isRevoked ? try deletedEnrollments(of: name) : []
            try commit(
                if: [.unchanged(found.record.key, since: found.record.modified)],
                then: [try sealed(next)] + tokens,
                recording: [AuditEvent(.nodeUpdate, by: AuditActor(changingAs: actor), detail: detail)])
            return next
        }
    }
}
