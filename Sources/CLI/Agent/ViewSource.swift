import Console
import Secrets
import Store

/// Where an agent has what its mounts show from: the store of this machine, or a server.
protocol ViewSource: Sendable {
    /// Waits until there is something to say of `name`, where it has to be fetched.
    func prepare(_ name: AlgorithmName) throws(StoreError)

    /// What `name` shows now. Never waits for a network.
    ///
    /// - Parameter before: what its mounts have shown, nil if it has none.
    /// - Throws: `.algorithmMissing` if there is none; then its mounts show nothing.
    func view(of name: AlgorithmName, after before: AlgorithmView?) throws(StoreError) -> AlgorithmView

    /// What is shown of an algorithm that is gone.
    func emptyView(of name: AlgorithmName) throws(StoreError) -> AlgorithmView

    /// `name` has no mount any more.
    func release(_ name: AlgorithmName)

    /// When this returns, no key is left.
    func seal()
    /// The store was opened again.
    func unseal() throws
}

/// The store of this machine, and the providers that it refers to.
struct StoreViews: ViewSource {
    let store: SecretStore
    let external: ExternalValues
    /// Those with secrets of providers: many answers come between two commits.
    private let known: KnownViews
    private static let maximumKnown = 1024

    init(store: SecretStore, external: ExternalValues) {
        self.store = store
        self.external = external
        known = KnownViews(store, atMost: Self.maximumKnown) { !$0.origins.isEmpty }
    }

    func prepare(_ name: AlgorithmName) {}
    func view(of name: AlgorithmName, after before: AlgorithmView?) throws(StoreError) -> AlgorithmView {
        external.join(try known.view(of: name, after: before), of: name)
    }
    func emptyView(of name: AlgorithmName) throws(StoreError) -> AlgorithmView {
        let generation = SecretStore.generation(of: try store.revision())
        return external.join(
            AlgorithmView(generation: generation, modified: .now(), entries: []), of: name)
    }
    func release(_ name: AlgorithmName) {
        known.forget(name)
        external.release(name)
    }
    func seal() { external.seal() }
    func unseal() throws { try external.unseal() }
}
