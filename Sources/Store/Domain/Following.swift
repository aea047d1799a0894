import Glibc
package import Secrets
import Synchronization

/// Which mounts a change may show in.
package enum AffectedMounts: Equatable, Sendable {
    case some(Set<Part>)
    /// Too much happened to tell: look at all.
    case all

    package enum Part: Hashable, Sendable {
        case algorithm(AlgorithmName)
        /// All algorithms of it.
        case owner(OwnerName)
        /// The algorithms that see this secret.
        case shared(SharedSecret)
    }
}

/// Tells of changes by any process until it is cancelled or released.
package final class Following: Sendable {
    private let storage: any Storage
    private let onChange: @Sendable (AffectedMounts) -> Void
    private let onProblem: @Sendable (StorageError) -> Void
    private let onKeyring: @Sendable () -> Void
    private let onAuditSettings: @Sendable () -> Void
    private let onAdministrators: @Sendable () -> Void
    private let last: Mutex<Revision>
    private let isCancelled = Atomic(false)
    private let watch = Mutex<(any Watch)?>(nil)

    /// - Parameters:
    ///   - onChange: called on one thread of storage's own, never twice at once.
    ///   - onKeyring: called when the keyring was put, before what changed with it is told.
    ///   - onProblem: called when changes cannot be read; it is tried again until they can be.
    package init(
        _ store: SecretStore, onChange: @escaping @Sendable (AffectedMounts) -> Void,
        onKeyring: @escaping @Sendable () -> Void = {},
        onAuditSettings: @escaping @Sendable () -> Void = {},
        onAdministrators: @escaping @Sendable () -> Void = {},
        onProblem: @escaping @Sendable (StorageError) -> Void
    ) throws(StoreError) {
        storage = store.storage
        self.onChange = onChange
        self.onProblem = onProblem
        self.onKeyring = onKeyring
        self.onAuditSettings = onAuditSettings
        self.onAdministrators = onAdministrators
        do {
            last = Mutex(try storage.read([], at: nil).revision)
            let watch = try storage.watch { [weak self] _ in self?.catchUp() }
            self.watch.withLock { $0 = watch }
        } catch {
            throw .storage(error)
        }
        // What was committed between the read and the watch.
        catchUp()
    }

    package func cancel() {
        isCancelled.store(true, ordering: .relaxed)
        watch.withLock { $0 }?.cancel()
    }

    private func catchUp() {
        var delay: UInt32 = 10
        while !isCancelled.load(ordering: .relaxed) {
            do {
                try last.withLock { last throws(StorageError) in
                    guard let affected = try affected(since: &last) else { return }
                    onChange(affected)
                }
                return
            } catch {
                onProblem(error)
                pause(milliseconds: Int(delay))
                delay = min(delay * 2, 1000)
            }
        }
    }

    private func affected(since last: inout Revision) throws(StorageError) -> AffectedMounts? {
        do {
            let changes = try storage.changes(since: last)
            guard changes.revision > last else { return nil }
            last = changes.revision
            if changes.keys.contains(Keys.keyring) { onKeyring() }
            if changes.keys.contains(Keys.auditSettings) { onAuditSettings() }
            if changes.keys.contains(Keys.administrators) { onAdministrators() }
            let parts = Set(changes.keys.compactMap(Keys.affected(by:)))
            return parts.isEmpty ? nil : .some(parts)
        } catch .revisionGone {
            last = try storage.read([], at: nil).revision
            onKeyring()
            onAuditSettings()
            onAdministrators()
            return .all
        }
    }
}

/// Sleeps. Only where another process must get time to finish; never on a path of the mount.
func pause(milliseconds: Int) {
    guard milliseconds > 0 else { return }
    usleep(UInt32(milliseconds) * 1000)
}
