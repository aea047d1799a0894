import Console
import Crypto
import FoundationEssentials
import Link
import Logging
import NIOCore
import Secrets
import Store
import Synchronization

/// One node that is connected: what it follows, and what it was sent. What it may have is asked of the store each time
/// that something is sent, so that a revocation holds from the next frame on.
final class NodeSession: Sendable {
    /// Of a node, in bytes: what it holds of one algorithm.
    static let maximumFrame = 1 << 20
    /// Algorithms that one node may follow.
    static let maximumFollowed = 4096
    private static let maximumWaiting = 16
    private static let beat = Duration.seconds(5)
    private static let renewalPause = Duration.seconds(2)
    /// A node that said nothing for so long, or did not take a frame, is gone.
    private static let silence = Duration.seconds(30)

    enum Ending: Error {
        case revoked, malformed, silent, stopped, closed
        /// The store cannot be asked.
        case unreadable
    }

    /// What is to be done, told by other threads.
    private struct Pending {
        var affected: AffectedMounts?
        var follows: [(AlgorithmName, [HeldVersion])] = []
        var unfollowed: Set<AlgorithmName> = []
        var request: [UInt8]?
        var isNodeChanged = false
        var ending: Ending?
        var heard = ContinuousClock.now
        /// Since when a frame waits for the node to take it.
        var writing: ContinuousClock.Instant?
    }
    private let pending = Mutex(Pending())
    private let signal: AsyncStream<Void>
    private let waker: AsyncStream<Void>.Continuation
    let name: NodeName
    let mark: [UInt8]
    let actor: AuditActor
    let parts: NodeParts
    let id: UUID

    init(_ node: Node, _ mark: [UInt8], _ address: String, _ parts: NodeParts) {
        name = node.name
        id = node.id
        self.mark = mark
        self.parts = parts
        actor = .node(node.name, at: address)
        (signal, waker) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    // MARK: Told by others

    func note(_ affected: AffectedMounts) {
        tell { $0.affected = $0.affected?.union(affected) ?? affected }
    }
    func noteNodes() { tell { $0.isNodeChanged = true } }
    func end() { tell { $0.ending = .stopped } }

    private func tell(_ change: (inout Pending) -> Void) {
        pending.withLock { change(&$0) }
        waker.yield()
    }

    // MARK: Its life

    /// - Returns: why it ended.
    func run(
        _ frames: inout NIOAsyncChannelInboundStream<[UInt8]>.AsyncIterator, _ outbound: FrameWriter,
        closingWith close: @escaping @Sendable () -> Void
    ) async -> Ending {
        // Whatever was changed before the hub knew of this session.
        noteNodes()
        return await withTaskGroup(of: Ending.self) { group in
            group.addTask { await self.untilItFails(close) { try await self.send(outbound) } }
            group.addTask { await self.untilItFails(close) { try await self.watch() } }
            var ending = Ending.closed
            do {
                while let frame = try await frames.next() {
                    try take(frame)
                    try await waitForRoom()
                }
            } catch let error as Ending {
                ending = error
            } catch {}
            group.cancelAll()
            for await other in group where other != .closed { ending = other }
            return ending
        }
    }

    /// Whatever ends, ends the connection, and with it the other parts.
    private func untilItFails(
        _ close: @Sendable () -> Void, _ body: () async throws -> Void
    ) async -> Ending {
        defer { close() }
        do { try await body() } catch let ending as Ending { return ending } catch {}
        return .closed
    }

    private func take(_ frame: [UInt8]) throws(Ending) {
        guard let message = try? LinkMessage(decoding: frame) else { throw .malformed }
        switch message {
        case .follow(let name, let held): tell { $0.follows.append((name, held)) }
        case .unfollow(let name):
            tell { pending in
                pending.follows.removeAll { $0.0 == name }
                pending.unfollowed.insert(name)
            }
        case .renew(let request): tell { $0.request = request }
        case .beat: break
        default: throw .malformed
        }
        pending.withLock { $0.heard = .now }
    }

    /// Whether the node's record was changed since it was looked at for what is being sent.
    var isNodeChanged: Bool { pending.withLock { $0.isNodeChanged } }

    /// What a node holds is told in long frames: no more of them are read than are soon looked at.
    private func waitForRoom() async throws {
        while pending.withLock({ $0.follows.count >= Self.maximumWaiting && $0.ending == nil }) {
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    private func watch() async throws {
        while true {
            try await Task.sleep(for: .seconds(1))
            let (heard, writing) = pending.withLock { ($0.heard, $0.writing) }
            let now = ContinuousClock.now
            if now - heard > Self.silence || writing.map({ now - $0 > Self.silence }) ?? false {
                throw Ending.silent
            }
            waker.yield()
        }
    }

    private func send(_ outbound: FrameWriter) async throws {
        var sent = NodeFeed(self)
        defer { sent.end() }
        var lastBeat = ContinuousClock.now
        var renewed: ContinuousClock.Instant?
        for await _ in signal {
            let work = pending.withLock { pending in
                let work = pending
                pending.affected = nil
                pending.follows = []
                pending.unfollowed = []
                pending.request = nil
                pending.isNodeChanged = false
                return work
            }
            if let ending = work.ending { throw ending }
            do {
                if work.isNodeChanged { try await sent.recheck(outbound) }
                for name in work.unfollowed { sent.unfollow(name) }
                for (name, held) in work.follows { try await sent.follow(name, held, outbound) }
                try await sent.refresh(work.affected, outbound)
                if let request = work.request { try await renew(request, &renewed, outbound) }
            } catch Ending.revoked {
                try await write(.refused(.revoked), outbound)
                throw Ending.revoked
            }
            if ContinuousClock.now - lastBeat > Self.beat {
                lastBeat = .now
                try await write(.beat, outbound)
            }
        }
    }

    /// Waits until the node has taken what came before.
    func write(_ message: LinkMessage, _ outbound: FrameWriter) async throws {
        pending.withLock { $0.writing = .now }
        defer { pending.withLock { $0.writing = nil } }
        try await outbound.send(message)
    }

    // MARK: What it may do

    /// The node as it is now.
    ///
    /// - Throws: `Ending.revoked`: it is none any more, or it is another one of its name.
    func current() async throws -> Node {
        let (store, name) = (parts.store, name)
        let node: Node
        do { node = try await parts.work.runInTurn(.reading) { try store.node(name) } } catch StoreError
            .nodeMissing
        {
            throw Ending.revoked
        }
        guard node.id == id, !node.isRevoked, node.certificates.contains(mark) else { throw Ending.revoked }
        return node
    }

    private func renew(
        _ request: [UInt8], _ renewed: inout ContinuousClock.Instant?, _ outbound: FrameWriter
    ) async throws {
        let node = try await current()
        // It is asked for again when the answer does not come; whoever asks all the time gets no more for it.
        if let renewed, ContinuousClock.now - renewed < Self.renewalPause { return }
        renewed = .now
        let (parts, mark) = (parts, mark)
        let certificate: [UInt8]
        do {
            certificate = try await parts.work.runInTurn(.changing) {
                let certificate = try OwnAuthority.issue(
                    from: parts.store, for: request, of: node.name, holding: parts.certificateSeconds)
                try parts.store.addCertificate(
                    Array(SHA256.hash(data: certificate)), to: node.name, shown: mark)
                return certificate
            }
        } catch is LinkError {
            throw Ending.malformed
        }
        try await write(.certificate(certificate), outbound)
    }
}
