import Console
import Dispatch
import Logging
import Secrets
import Store

/// The server's data keys. It has no root key while it runs: it is sealed, unsealed and told of new keys over its
/// socket, as the agent is.
final class ServerKeys: RunningKeys {
    let store: SecretStore
    let log: Logger
    /// Nil where there is nobody to ask providers for.
    private let external: ExternalValues?

    init(_ store: SecretStore, _ external: ExternalValues?, _ log: Logger) {
        self.store = store
        self.external = external
        self.log = log
    }

    func seal() {
        store.seal()
        external?.seal()
        log.warning("sealed: nothing is answered from the store until secretfs unseal")
    }

    func unseal(_ root: borrowing RootKey) throws {
        try store.unseal(by: root)
        try external?.unseal()
        log.info("unsealed")
    }

    func expect(_ keyring: [UInt8], _ root: borrowing RootKey) throws {
        try store.expect(keyring: keyring, by: root)
        // Told after it was stored, it is in force; told before, the next use of a key finds it.
        if !store.isSealed { try store.renewKeys() }
    }
}

/// The server's socket in the state folder, from its lock to its end.
final class KeySocket: Sendable {
    private let commands: CommandSocket
    private let accepting = DispatchQueue(label: "keys")

    /// - Precondition: the caller holds the server's lock.
    init(_ keys: ServerKeys, _ state: StateDirectory) throws {
        let (store, trail) = (keys.store, keys.store.trail)
        commands = CommandSocket(try AgentSocket.listen(state, as: .server), trail, keys.log) {
            request, peer, descriptors in
            guard let answer = try KeyRequests.answer(request, peer, descriptors, keys, trail) else {
                throw Failure(.usage, "a server is asked for nothing but keys")
            }
            return answer
        }
        // From now on commands that change the keys find the socket; one that was faster is noticed here.
        guard try store.hasNewestKeys() else { throw StoreError.keysOutdated }
    }

    func open() {
        let commands = commands
        accepting.async { commands.run() }
    }

    func close() { commands.close() }
}
