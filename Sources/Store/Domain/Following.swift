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
    private let onProblem: @Sendable (StorageError, _ isLasting: Bool) -> Void
    private let onKeyring: @Sendable () -> Void
    private let onAuditSettings: @Sendable () -> Void
    private let onAdministrators: @Sendable () -> Void
    private let onNodes: @Sendable () -> Void
    private let onProviders: @Sendable () -> Void
    private struct Seen {
        var revision: Revision
        /// Whether it was told that changes cannot be read, and not yet that they can.
        var isBlind = false
    }
    private let seen: Mutex<Seen>
    private let isCancelled = Atomic(false)
    private let watch = Mutex<(any Watch)?>(nil)

    /// - Parameters:
    ///   - onChange: called on a thread of storage's own or of `show`, never twice at once.
    ///   - onKeyring: called when the keyring was put, before what changed with it is told.
    ///   - onProblem: called when changes cannot be read; it is tried again until they can be. If that lasts, nobody
    ///     knows what was changed meanwhile; when it is over, `onChange` is told `.all`.
    package init(
        _ store: SecretStore, onChange: @escaping @Sendable (AffectedMounts) -> Void,
        onKeyring: @escaping @Sendable () -> Void = {},
        onAuditSettings: @escaping @Sendable () -> Void = {},
        onAdministrators: @escaping @Sendable () -> Void = {},
        onNodes: @escaping @Sendable () -> Void = {},
        onProviders: @escaping @Sendable () -> Void = {},
        onProblem: @escaping @Sendable (StorageError, _ isLasting: Bool) -> Void
    ) throws(StoreError) {
        storage = store.storage
        self.onChange = onChange
        self.onProblem = onProblem
        self.onKeyring = onKeyring
        self.onAuditSettings = onAuditSettings
        self.onAdministrators = onAdministrators
        self.onNodes = onNodes
        self.onProviders = onProviders
        do {
            seen = Mutex(Seen(revision: try storage.read([], at: nil).revision))
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

    /// Returns when `onChange` was told everything up to `revision`, or when nobody is to be told any more.
    ///
    /// - Returns: false if that could not be done in time.
    package func show(upTo revision: Revision, within milliseconds: Int) -> Bool {
        let clock = ContinuousClock()
        let end = clock.now + .milliseconds(milliseconds)
        var delay = 1
        while !isCancelled.load(ordering: .relaxed) {
            // Whoever tells of it now has the lock until that is done.
            if seen.withLock({ $0.revision >= revision }) { return true }
            try? look()
            if seen.withLock({ $0.revision >= revision }) { return true }
            guard clock.now < end else { return false }
            pause(milliseconds: delay)
            delay = min(delay * 2, 50)
        }
        return true
    }

    private static let attemptsUntilBlind = 5

    private func catchUp() {
        var delay: UInt32 = 10
        var attempts = 0
        while !isCancelled.load(ordering: .relaxed) {
            do throws(StorageError) {
                return try look()
            } catch {
                attempts += 1
                let isLasting = attempts >= Self.attemptsUntilBlind
                seen.withLock { seen in
                    if isLasting { seen.isBlind = true }
                    onProblem(error, isLasting)
                }
                pause(milliseconds: Int(delay))
                delay = min(delay * 2, 1000)
            }
        }
    }

    private func look() throws(StorageError) {
        try seen.withLock { seen throws(StorageError) in
            let affected = try affected(since: &seen.revision)
            guard seen.isBlind || affected != nil else { return }
            onChange(seen.isBlind ? .all : affected ?? .all)
            seen.isBlind = false
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
            if changes.keys.contains(where: { Keys.nodeName($0) != nil }) { onNodes() }
            if changes.keys.contains(where: { Keys.providerName($0) != nil }) { onProviders() }
            let parts = Set(changes.keys.compactMap(Keys.affected(by:)))
            return parts.isEmpty ? nil : .some(parts)
        } catch .revisionGone {
            last = try storage.read([], at: nil).revision
            onKeyring()
            onAuditSettings()
            onAdministrators()
            onNodes()
            onProviders()
            return .all
        }
    }
}

/// Sleeps. Only where another process must get time to finish; never on a path of the mount.
func pause(milliseconds: Int) {
    guard milliseconds > 0 else { return }
    usleep(UInt32(milliseconds) * 1000)
}
