internal import CLinux
internal import Secrets

/// Changes the keys of a store that is in use.
///
/// The keyring's record is changed by compare-and-commit, so that of two rotations none loses a key. Every commit of
/// every process depends on the keyring that it knows (`keyCondition`), so from the commit of a new keyring on, no
/// record is sealed by a key that it calls retired. What is left under retired keys is then sealed anew, page by
/// page; when after a whole pass no header names them, those keys are taken out. A rotation that is killed anywhere leaves a store
/// in which everything opens, and one that goes on from there does the rest.
package struct KeyRotation: Sendable {
    /// Tells the agent of a keyring before it is committed, and again afterwards.
    package typealias Announcement = @Sendable (_ keyring: [UInt8], _ root: borrowing RootKey) throws -> Void

    package struct Outcome: Sendable {
        /// How many records were sealed anew.
        package var resealed = 0
        /// Records that do not open, by key; the first hundred.
        package var damaged: [String] = []
        package var damagedCount = 0
        /// What the headers of records named when all was done.
        fileprivate var inUse: Set<KeyID> = []
    }

    private let store: SecretStore
    private let root: HeldRootKey
    private let announce: Announcement

    /// - Throws: `.sealed` for a store that does not keep its root key.
    package init(_ store: SecretStore, announce: @escaping Announcement) throws(StoreError) {
        guard let root = store.keyholder.root else { throw .sealed }
        self.store = store
        self.root = root
        self.announce = announce
    }

    /// Adds a data key, which is the active one from now on.
    package func addKey() throws {
        _ = try change { keyring throws(KeyringError) in try keyring.rotated() }
    }

    /// Takes out the retired keys that nothing is sealed by.
    ///
    /// - Parameter outcome: of `resealAll`, after which this is right at any time: a key that was retired is never
    ///   active again.
    /// - Returns: the keys that went.
    package func removeRetired(after outcome: Outcome, _ retired: [KeyID]) throws -> [KeyID] {
        let unused = retired.filter { !outcome.inUse.contains($0) }
        var removed: [KeyID] = []
        try change { keyring throws(KeyringError) in
            removed = unused.filter { $0 != keyring.active.id && keyring[$0] != nil }
            var next = keyring
            for id in removed { next = try next.removing(id) }
            return next
        }
        return removed
    }

    /// Seals by `newRoot` what the store's root key sealed, and notes where that key is.
    package func changeRoot(to newRoot: borrowing RootKey, _ source: RootKeyDescriptor) throws {
        let description: [UInt8]
        do { description = try source.encoded() } catch { throw StoreError.rootKey(error) }
        let keys = try store.keyholder.current
        let sealed = try sealed(keys.sealer.keyring, by: newRoot)
        let event = AuditEvent(.rootKeyChange, by: AuditActor(changingAs: .thisProcess))
        try store.record([event])
        try announce(sealed, newRoot)
        do throws(StorageError) {
            try store.storage.commit(
                Transaction(
                    if: [.unchanged(Keys.keyring, since: keys.revision)],
                    then: [.put(Keys.rootKey, description), .put(Keys.keyring, sealed)]))
        } catch .conflict {
            try? store.record([event.failed])
            throw StoreError.keysOutdated
        } catch {
            try? store.record([event.failed])
            throw StoreError.storage(error)
        }
        try announce(sealed, newRoot)
    }

    /// - Parameter next: the keyring that follows on the one given; the same for none.
    private func change(_ next: (Keyring) throws(KeyringError) -> Keyring) throws {
        while true {
            let keys = try store.keyholder.current
            let keyring = try keys.sealer.keyring
            let changed: Keyring
            do { changed = try next(keyring) } catch { throw StoreError.keyring(error) }
            guard changed !== keyring else { return }
            let sealed = try sealed(changed, by: root.key)
            let event = AuditEvent(
                .keyRotate, by: AuditActor(changingAs: .thisProcess),
                detail: "keyring \(changed.generation), \(changed.keys.count) keys")
            try store.record([event])
            try announce(sealed, root.key)
            do throws(StorageError) {
                try store.storage.commit(
                    Transaction(
                        if: [.unchanged(Keys.keyring, since: keys.revision)],
                        then: [.put(Keys.keyring, sealed)]))
            } catch {
                try? store.record([event.failed])
                guard case .conflict = error else { throw StoreError.storage(error) }
                try store.catchUpWithKeys()
                continue
            }
            try store.catchUpWithKeys()
            // To an agent that was just starting, and had the keyring from before.
            return try announce(sealed, root.key)
        }
    }

    private func sealed(_ keyring: Keyring, by root: borrowing RootKey) throws(StoreError) -> [UInt8] {
        do { return try keyring.sealed(by: root) } catch { throw .keyring(error) }
    }
}

// MARK: Sealing anew

extension KeyRotation {
    /// Seals every record by the active key that is not. Others may read and write meanwhile.
    ///
    /// - Parameter progress: told how many more records were sealed.
    /// - Returns: what was done, and the keys that were retired all the time.
    package func resealAll(_ progress: (Int) -> Void) throws -> (Outcome, retired: [KeyID]) {
        var resealed = 0
        while true {
            try store.renewKeys()
            let keys = try store.keyholder.current
            let retired = try keys.sealer.keyring.keys.dropLast().map(\.id)
            var outcome = try pass { count in
                resealed += count
                progress(count)
            }
            outcome.resealed = resealed
            // Another rotation came between: what was sealed before it is to be sealed once more.
            guard try store.keyholder.current.revision == keys.revision else { continue }
            outcome.inUse = Set(try store.keyUsage().records.keys)
            return (outcome, retired)
        }
    }

    private func pass(_ progress: (Int) -> Void) throws -> Outcome {
        var outcome = Outcome()
        var last: Page.End?
        var pace = Pace()
        while true {
            let page = try store.storage.page(after: last, pace.limit)
            guard let end = page.end else { return outcome }
            let keys = try store.keyholder.current
            var damaged = Outcome()
            let replacements = try reseal(page.records, try keys.sealer, &damaged)
            if !replacements.isEmpty {
                let start = linux_monotonic_nanoseconds()
                do throws(StorageError) {
                    let count = try store.storage.replace(
                        replacements, if: [.unchanged(Keys.keyring, since: keys.revision)])
                    progress(count)
                } catch .conflict {
                    try store.catchUpWithKeys()
                    continue
                } catch {
                    throw StoreError.storage(error)
                }
                pace.took(linux_monotonic_nanoseconds() - start)
            }
            outcome.damaged = Array((outcome.damaged + damaged.damaged).prefix(100))
            outcome.damagedCount += damaged.damagedCount
            last = end
        }
    }

    /// How many records are exchanged in one commit: as many as hold up other writers for some hundredths of a second.
    /// Between two commits, while the next records are sealed, those get their turn.
    private struct Pace {
        private var records = 2048
        private static let range = 512...16_384
        private static let shortest: UInt64 = 10_000_000
        private static let longest: UInt64 = 40_000_000

        var limit: PageLimit { PageLimit(records: records, bytes: 4 << 20) }

        /// - Parameter time: of the last commit, in nanoseconds.
        mutating func took(_ time: UInt64) {
            if time < Self.shortest { records = min(records * 2, Self.range.upperBound) }
            if time > Self.longest { records = max(records / 2, Self.range.lowerBound) }
        }
    }

    /// One piece of locked memory for a whole page: the plaintext of one record after the other.
    private func reseal(
        _ records: [StoredRecord], _ sealer: RecordSealer, _ outcome: inout Outcome
    ) throws(StoreError) -> [Replacement] {
        let active = sealer.keyring.active.id
        let old = records.filter { record in
            !Keys.isUnsealed(record.key) && (try? RecordSealer.keyID(of: record.bytes.span)) != active
        }
        guard !old.isEmpty else { return [] }
        var replacements: [Replacement] = []
        replacements.reserveCapacity(old.count)
        let room = old.map { RecordSealer.plaintextCount(of: $0.bytes.span) ?? 0 }.max() ?? 0
        do throws(SealError) {
            _ = try SecretValue.sealing(capacity: max(room, 1)) { plaintext throws(SealError) in
                var random = RandomBlock()
                for record in old {
                    plaintext.removeAll()
                    do throws(SealError) {
                        try sealer.open(record.bytes.span, under: record.key, into: &plaintext)
                    } catch {
                        try Self.note(record, error, &outcome)
                        continue
                    }
                    let sealed = try sealer.seal(plaintext.bytes, under: record.key, drawing: &random)
                    replacements.append(Replacement(key: record.key, bytes: sealed, since: record.modified))
                }
            }
        } catch {
            throw .sealing(error)
        }
        return replacements
    }

    /// What is damaged does not hold up the rest, and keeps the key by which it may have been sealed.
    private static func note(
        _ record: StoredRecord, _ error: SealError, _ outcome: inout Outcome
    ) throws(SealError) {
        switch error {
        case .malformed, .newerFormat, .unknownKey, .damaged: break
        case .doesNotFit, .sealed, .entropyUnavailable, .memory, .library: throw error
        }
        if outcome.damaged.count < 100 { outcome.damaged.append(record.key.text) }
        outcome.damagedCount += 1
    }
}
