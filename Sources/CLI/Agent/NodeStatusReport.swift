import Console
import Secrets
import Store
import Synchronization

extension NodeViews {
    var status: NodeStatus {
        state.withLock { state in
            NodeStatus(
                name: state.membership.node.text, server: state.membership.server, connected: state.isLinked,
                since: state.since.description, reason: state.isLinked ? nil : state.reason,
                revoked: state.isRevoked, maxStale: state.staleSeconds,
                clockDifference: Int(state.clockDifference))
        }
    }
}

extension NodeViews {
    /// What `name`, or any algorithm, shows without a value of its provider.
    func awaited(by name: AlgorithmName? = nil) -> [ExternalStatus] {
        state.withLock { $0.table.awaited(by: name) }.map { ExternalStatus($0.entry, of: $0.name) }
    }
}

extension NodeViews.State {
    var staleSeconds: Int { Int(membership.policy.maximumStale) }

    mutating func lose(_ reason: String) {
        if isLinked { since = .now() }
        isLinked = false
        hasFailed = true
        self.reason = reason
        table.lose()
    }
}
