import Console
import Logging
import Nodes
import Secrets
import Store

/// What one node was sent of the algorithms that it follows, so that only what is new is sent again.
struct NodeFeed {
    private struct Followed {
        /// Whose values the node has.
        var held: Set<HeldVersion>
        var shared: Set<SharedSecret> = []
        var generation: UInt64?
        /// From when on there is something else to show, or it is to be tried again.
        var due: Timestamp?
        var isDenied = false
        /// Whether the server asks providers for it.
        var isShared = false
    }
    private let session: NodeSession
    private var followed: [AlgorithmName: Followed] = [:]
    private var policy: NodePolicy?

    init(_ session: NodeSession) { self.session = session }

    /// The node may not have any more what is being sent.
    private struct Overtaken: Error {}
    /// A view is one frame.
    private struct TooLong: Error {}

    // MARK: What there is to do

    /// The node's record may have changed: what it may follow, how long it may go on alone, or that it is none any more.
    mutating func recheck(_ outbound: FrameWriter) async throws {
        let node = try await session.current()
        if node.policy != policy {
            try await session.write(.welcome(LinkWelcome(node)), outbound)
            policy = node.policy
        }
        for name in followed.keys.sorted() where followed[name]?.isDenied == node.mayFollow(name) {
            try await show(name, outbound)
        }
    }

    mutating func follow(_ name: AlgorithmName, _ held: [HeldVersion], _ outbound: FrameWriter) async throws {
        guard followed.count < NodeSession.maximumFollowed else { throw NodeSession.Ending.malformed }
        leave(name)
        followed[name] = Followed(held: Set(held))
        try await show(name, outbound)
    }

    mutating func unfollow(_ name: AlgorithmName) {
        leave(name)
        followed[name] = nil
    }

    /// The node is gone.
    mutating func end() { for name in followed.keys { leave(name) } }

    private mutating func enter(_ name: AlgorithmName) {
        guard followed[name]?.isShared == false else { return }
        followed[name]?.isShared = true
        session.parts.views.enter(name)
    }

    private mutating func leave(_ name: AlgorithmName) {
        guard followed[name]?.isShared == true else { return }
        followed[name]?.isShared = false
        session.parts.views.leave(name)
    }

    mutating func refresh(_ affected: AffectedMounts?, _ outbound: FrameWriter) async throws {
        let now = Timestamp.now()
        for (name, state) in followed.sorted(by: { $0.key < $1.key }) {
            // What it may not have is told again when it may; else it would see when that changes.
            guard !state.isDenied else { continue }
            let isAffected = affected.map { $0.affects(name, sharing: state.shared) } ?? false
            guard isAffected || state.due.map({ $0 <= now }) ?? false else { continue }
            try await show(name, outbound)
        }
    }

    // MARK: Sending

    private mutating func show(_ name: AlgorithmName, _ outbound: FrameWriter) async throws {
        let node = try await session.current()
        guard node.mayFollow(name) else { return try await deny(name, outbound) }
        followed[name]?.isDenied = false
        enter(name)
        let views = session.parts.views
        let view: AlgorithmView
        do {
            view = try await session.parts.work.runInTurn(.reading) { try views.view(of: name) }
        } catch StoreError.algorithmMissing {
            return try await withdraw(name, outbound)
        } catch let error where !(error is StoreError) {
            // Nothing is wrong with what there is: the server ends, or has no threads.
            throw error
        } catch {
            // What the node shows may be what was just forbidden.
            session.parts.log.error(
                "a change cannot be read; a node opens nothing of it until it can be",
                metadata: ["node": "\(session.name)", "algorithm": "\(name)"])
            try await withdraw(name, outbound)
            followed[name]?.due = .now()
            return
        }
        guard view.generation != followed[name]?.generation else { return }
        let sent: Set<HeldVersion>
        do { sent = try await send(view, of: name, to: node, outbound) } catch is Overtaken {
            return try await deny(name, outbound)
        } catch is TooLong {
            // What the node shows may be what was just forbidden.
            session.parts.log.error(
                "what an algorithm shows is too long for a node, which opens nothing of it",
                metadata: ["node": "\(session.name)", "algorithm": "\(name)"])
            return try await withdraw(name, outbound)
        }
        followed[name]?.held = sent
        followed[name]?.shared = view.shared
        followed[name]?.generation = view.generation
        followed[name]?.due = view.nextChange
    }

    /// Values first, then what shows them, so that the node changes from one whole view to the next (R7).
    ///
    /// - Returns: whose values the node has now.
    private func send(
        _ view: AlgorithmView, of name: AlgorithmName, to node: Node, _ outbound: FrameWriter
    ) async throws -> Set<HeldVersion> {
        let held = followed[name]?.held ?? []
        // What its provider has not given is shown, and opens nothing.
        let sent = view.entries.filter { !$0.isUnreadable && !$0.isAwaited }
        let new = sent.filter { !held.contains(HeldVersion($0)) }
        let longest = LinkView(
            generation: view.generation, modified: view.modified,
            entries: view.entries.map { LinkEntry($0, hasValue: true) })
        guard LinkMessage.view(name, longest).frame().count <= LinkFrame.maximumCount else { throw TooLong() }
        var missing: Set<HeldVersion> = []
        if !new.isEmpty {
            let sealer = try BatchSealer(to: node, for: name)
            try await session.write(.batch(name, key: sealer.encapsulated), outbound)
            try await record(new, of: name)
            for entry in new {
                // Whoever takes them slowly may have been revoked since they began.
                if session.isNodeChanged, try await !session.current().mayFollow(name) { throw Overtaken() }
                let version = HeldVersion(entry)
                let sealed = try await session.parts.work.runInTurn(.reading) {
                    try Self.seal(entry, by: sealer)
                }
                guard let sealed else {
                    missing.insert(version)
                    continue
                }
                try await session.write(.value(version, sealed: sealed), outbound)
            }
        }
        let entries = view.entries.map { entry in
            let hasValue = !entry.isUnreadable && !entry.isAwaited
            return LinkEntry(entry, hasValue: hasValue && !missing.contains(HeldVersion(entry)))
        }
        let told = LinkView(generation: view.generation, modified: view.modified, entries: entries)
        try await session.write(.view(name, told), outbound)
        return Set(sent.map { HeldVersion($0) }).subtracting(missing)
    }

    /// Before any of them leaves (R4).
    private func record(_ entries: [Entry], of name: AlgorithmName) async throws {
        let (store, actor) = (session.parts.store, session.actor)
        let events = entries.map { entry in
            AuditEvent(
                .nodeSend, by: actor, home: .algorithm(name), secret: entry.name, id: entry.secret,
                version: entry.version)
        }
        try await session.parts.work.runInTurn(.changing) { try store.trail.record(events) }
    }

    /// - Returns: nil if the value does not open.
    private static func seal(_ entry: Entry, by sealer: BatchSealer) throws -> [UInt8]? {
        let value: SecretValue
        do {
            value = try SecretValue(capacity: entry.count) { span in try entry.sealed.open(into: &span) }
        } catch is OpenError {
            return nil
        }
        return try sealer.seal(value, as: HeldVersion(entry))
    }

    private mutating func deny(_ name: AlgorithmName, _ outbound: FrameWriter) async throws {
        let (trail, actor) = (session.parts.trail, session.actor)
        let event = AuditEvent(.nodeFollow, .denied, by: actor, home: .algorithm(name))
        try await session.parts.work.runInTurn(.changing) { try trail.record([event]) }
        leave(name)
        followed[name] = Followed(held: [], isDenied: true)
        try await session.write(.gone(name, isDenied: true), outbound)
    }

    private mutating func withdraw(_ name: AlgorithmName, _ outbound: FrameWriter) async throws {
        leave(name)
        followed[name] = Followed(held: [])
        try await session.write(.gone(name, isDenied: false), outbound)
    }
}

extension AffectedMounts {
    func union(_ other: AffectedMounts) -> AffectedMounts {
        guard case .some(let mine) = self, case .some(let others) = other else { return .all }
        return .some(mine.union(others))
    }

    /// Whether what `name` shows may be another.
    func affects(_ name: AlgorithmName, sharing shared: Set<SharedSecret>) -> Bool {
        guard case .some(let parts) = self else { return true }
        return parts.contains { part in
            switch part {
            case .algorithm(let other): other == name
            case .owner(let owner): owner.text == name.owner
            case .shared(let secret): shared.contains(secret)
            }
        }
    }
}
