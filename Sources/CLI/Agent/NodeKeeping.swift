import Console
import Dispatch
import Logging
import Secrets
import Store
import Synchronization

/// What a node keeps in its own store, where its server's administrator lets it (`NodePolicy.keeps`): sealed as it
/// came, so that its agent can start and show it while the server is away.
extension NodeViews {
    /// In seconds: so often it is noted how long the server has been certain of what is kept.
    static let keptInterval = 60

    var mayKeep: Bool { state.withLock { $0.membership.policy.keeps && !$0.isRevoked } }

    /// Takes what was kept of `name`, if it is not too old.
    func offerKept(of name: AlgorithmName) {
        guard mayKeep, let now = KeptMoment.now() else { return }
        do {
            guard let kept = try store.kept(of: name) else { return }
            let most = UInt64(state.withLock { $0.staleSeconds })
            guard let age = kept.confirmed.age(at: now), age <= most else { return forget(name) }
            state.withLock { $0.table.offer(kept, age, of: name, by: key) }
        } catch {
            log.error(
                "what was kept cannot be used",
                metadata: ["algorithm": "\(name)", "reason": "\(Failure(error).message)"])
        }
    }

    /// Keeps what is shown of `name`, behind the change that showed it.
    func keepView(of name: AlgorithmName) {
        guard mayKeep else { return }
        keeping.async { [self] in
            guard mayKeep, let now = KeptMoment.now(),
                let kept = state.withLock({ $0.table.toKeep(of: name, at: now) })
            else { return }
            attempt { () throws(StoreError) in try store.keep(kept, of: name) }
        }
    }

    /// Notes that the server is certain of all that it sent over this connection, as of when it was last heard of.
    func confirmKept() {
        guard mayKeep else { return }
        let silence = state.withLock { $0.table.silence }
        guard let now = KeptMoment.now(before: silence) else { return }
        let kept = state.withLock { state in
            state.table.confirmed.compactMap { name in
                state.table.toKeep(of: name, at: now).map { (name, $0) }
            }
        }
        keeping.async { [self] in
            attempt { () throws(StoreError) in
                try store.confirmKept(Dictionary(kept) { first, _ in first })
            }
        }
    }

    /// Nothing is kept of `name` any more; nil: of anything.
    func forget(_ name: AlgorithmName?) {
        keeping.async { [self] in attempt { () throws(StoreError) in try store.forgetKept(name) } }
    }

    private func attempt(_ body: () throws(StoreError) -> Void) {
        do throws(StoreError) { try body() } catch .sealed {
            // Nothing can be kept; what was is as old as it is.
        } catch {
            log.error("what is kept cannot be changed", metadata: ["reason": "\(Failure(error).message)"])
        }
    }
}
