package import Secrets

extension SecretStore {
    /// Changes who may open a secret, from what the rule is at the moment of the change.
    @discardableResult
    package func updateCallers(
        ofSecret secret: EnvironmentName, of home: SecretHome, by actor: Actor = .thisProcess,
        _ change: (inout CallerRule) -> Void
    ) throws(StoreError) -> Secret {
        try changing(secret, of: home, by: actor) { next, found, write throws(StoreError) in
            change(&next.callers)
            try put(next, replacing: found.record, &write)
        }
    }
}
