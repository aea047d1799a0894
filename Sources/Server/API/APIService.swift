import Console
import HTTPTypes
import Logging
import Secrets
import Store

/// What the calls of the API have in common: the store, and how it is used in somebody's name. All that is decided about
/// secrets is decided by the store and by `Permissions`.
final class APIService: Sendable {
    let store: SecretStore
    let identities: Identities
    let identity: PublicIdentity
    let provider: InternalProvider
    let providers: ProviderList
    let metrics: Metrics
    let denials: RequestDenials
    /// Answers that tell all secrets of an owner or an algorithm, in bytes: no value is in them.
    let listings = KnownReads<Place, [UInt8]>(atMost: maximumListings)
    private static let maximumListings = 8 << 20
    private let agent: AgentLine
    private let log: Logger

    /// How long an answer waits until mounts show its change, in seconds.
    private static let patience = 2

    init(_ store: SecretStore, _ state: StateDirectory, _ metrics: Metrics, _ log: Logger) throws {
        self.store = store
        agent = AgentLine(state)
        self.metrics = metrics
        self.log = log
        identities = Identities(store)
        identity = try store.publicIdentity()
        provider = try InternalProvider(identity)
        providers = ProviderList(store: store, internal: provider)
        denials = RequestDenials(store)
    }

    /// Makes a change in the name of who asks. When this returns, it is durable, and mounts on this machine show it.
    func change<T>(_ call: Call, _ body: (Actor) throws -> T) throws -> T {
        let principal = try call.principal()
        let result = try AuditActor.$current.withValue(call.actor) { try body(principal.actor) }
        show(call)
        return result
    }

    private func show(_ call: Call) {
        guard let revision = store.commits.newest else { return }
        do {
            try agent.waitUntilShown(revision, seconds: Self.patience)
        } catch {
            log.warning(
                "a change is made, and the agent has not said that its mounts show it",
                metadata: ["request": "\(call.mark.id)", "reason": "\(error.message)"])
        }
    }

    /// Refuses what no role lets.
    ///
    /// - Parameter home: what it is about, for the audit log.
    func require(_ isAllowed: Bool, _ call: Call, _ home: SecretHome? = nil) throws(APIError) {
        guard !isAllowed else { return }
        deny(call, home)
        throw APIError(
            .forbidden, .notAuthorized, "this key may not do that; an administrator can give its user a role")
    }

    /// Records that somebody was refused.
    func deny(_ call: Call, _ home: SecretHome?) {
        metrics.permissionDenied()
        denials.note(call, home)
    }
}
