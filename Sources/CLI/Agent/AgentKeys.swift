import Console
import Logging
import Store

/// The agent's data keys: how it is sealed and unsealed, and how it learns of a rotation (`Keyholder`).
final class AgentKeys: RunningKeys {
    private let store: SecretStore
    private let mounts: ServedMounts
    private let adminMounts: AdminMounts
    private let log: Logger

    init(
        _ store: SecretStore, _ mounts: ServedMounts, _ adminMounts: AdminMounts, _ log: Logger
    ) {
        self.adminMounts = adminMounts
        self.store = store
        self.mounts = mounts
        self.log = log
    }

    var isSealed: Bool { store.isSealed }
    /// Whether storage has a keyring that this agent cannot open.
    var isOutdated: Bool { !isSealed && (try? store.hasNewestKeys()) == false }

    /// When this returns, no key is left. Mounts go on listing what they list.
    func seal() {
        store.seal()
        mounts.source.seal()
        log.warning("sealed: no value is opened until secretfs unseal")
    }

    /// When this returns, mounts open everything again, and show what changed meanwhile.
    func unseal(_ root: borrowing RootKey) throws {
        try store.unseal(by: root)
        try mounts.source.unseal()
        log.info("unsealed")
        mounts.refresh(.all)
        adminMounts.endUnlisted()
    }

    /// Learns of a keyring that a command is about to put into storage, or has just put there.
    func expect(_ keyring: [UInt8], _ root: borrowing RootKey) throws {
        try store.expect(keyring: keyring, by: root)
        follow()
    }

    /// Takes the keyring that storage has, if this agent was told of it. Then every record that mounts hold is read
    /// again: what they have may be sealed by a key that is about to be destroyed.
    func follow() {
        guard !isSealed else { return }
        do {
            if try store.renewKeys() {
                let generation = store.keyGeneration ?? 0
                log.info("the data keys were changed", metadata: ["generation": "\(generation)"])
                mounts.refresh(.all)
            } else if try !store.hasNewestKeys() {
                log.error(
                    "the keyring was changed by somebody who did not tell this agent; it goes on with its keys",
                    metadata: ["next": "secretfs unseal"])
            }
        } catch {
            log.error(
                "the keyring was changed and cannot be taken; this agent goes on with its keys",
                metadata: ["reason": "\(Failure(any: error).message)"])
        }
    }
}
