import Synchronization

/// The data keys of an open store as they were at one moment, until they are forgotten. Whoever keeps sealed records
/// keeps these beside them: a later rotation takes nothing from what was read before it.
final class OpenKeys: Sendable {
    let generation: UInt32
    /// The commit that put the keyring's record.
    let revision: Revision
    /// That record.
    let record: [UInt8]
    private let keyring: Mutex<Keyring?>

    init(_ keyring: Keyring, revision: Revision, record: [UInt8]) {
        generation = keyring.generation
        self.revision = revision
        self.record = record
        self.keyring = Mutex(keyring)
    }

    /// - Throws: `.sealed` when they were forgotten.
    var sealer: RecordSealer {
        get throws(SealError) {
            guard let keyring = keyring.withLock({ $0 }) else { throw .sealed }
            return RecordSealer(keyring)
        }
    }

    /// Whether `record` says that one of these keys seals it.
    func has(keyOf record: StoredRecord) -> Bool {
        guard let id = try? RecordSealer.keyID(of: record.bytes.span) else { return false }
        return keyring.withLock { $0?[id] != nil }
    }

    /// The keys are wiped as soon as the operations that use them now have ended.
    func forget() { keyring.withLock { $0 = nil } }
}

/// Where an open store has its data keys from, and how it comes to new ones when another process changed them.
///
/// A command has the root key while it runs, and opens the keyring again. The agent, which runs for months, has no root
/// key; it would be worth nothing to rotate a leaked data key if the new one lay in storage under the old one, so it
/// learns a new keyring from the command that makes it, over its socket, *before* that is committed: an offer. An
/// offer is the sealed record and what it opens to. It counts once storage has exactly that record, so storage can
/// bring about nothing that the holder of the root key did not make; and no keyring is followed by an older one.
final class Keyholder: Sendable {
    private struct Offer {
        let record: [UInt8]
        let keyring: Keyring
    }
    private struct Older {
        weak var keys: OpenKeys?
    }
    private struct State {
        /// Nil when the store is sealed.
        var current: OpenKeys?
        /// Those that entries still hold.
        var older: [Older] = []
        var offers: [Offer] = []
        /// The newest keyring that there was, also while sealed.
        var newest: UInt32
    }
    /// Commands that were killed between their offer and their commit leave one behind.
    private static let maximumOffers = 8
    /// For as long as the store is open.
    let root: HeldRootKey?
    private let state: Mutex<State>

    init(_ keys: OpenKeys, root: HeldRootKey?) {
        self.root = root
        state = Mutex(State(current: keys, newest: keys.generation))
    }

    var isSealed: Bool { state.withLock { $0.current == nil } }

    /// - Throws: `.sealed`.
    var current: OpenKeys {
        get throws(StoreError) {
            guard let current = state.withLock({ $0.current }) else { throw .sealed }
            return current
        }
    }

    /// The keys that `record`, the keyring as storage has it now, opens to.
    ///
    /// - Returns: nil if they are the present ones, or if nobody gave us the means to open it.
    /// - Throws: `.keysOutdated`: another root key seals it; `.keyring`: it is damaged, or older than what we have.
    func adopt(_ record: StoredRecord) throws(StoreError) -> OpenKeys? {
        guard let before = state.withLock({ $0.current }) else { throw .sealed }
        guard record.modified != before.revision else { return nil }
        let keyring: Keyring
        if let root {
            do { keyring = try Keyring(opening: record.bytes, with: root.key) } catch {
                // It was the right root key before: that has been changed, too.
                throw error == .wrongRootKey ? .keysOutdated : .keyring(error)
            }
        } else if record.bytes == before.record {
            // Put again: the same keys, of a later commit.
            guard let same = try? before.sealer.keyring else { throw .sealed }
            keyring = same
        } else {
            guard let offer = state.withLock({ $0.offers.first { $0.record == record.bytes } }) else {
                return nil
            }
            keyring = offer.keyring
        }
        let keys = OpenKeys(keyring, revision: record.modified, record: record.bytes)
        return try install(keys, unsealing: false)
    }

    /// Remembers what a keyring that is about to be committed opens to.
    func offer(_ record: [UInt8], _ keyring: Keyring) {
        state.withLock { state in
            state.offers.removeAll { $0.record == record }
            state.offers.append(Offer(record: record, keyring: keyring))
            if state.offers.count > Self.maximumOffers { state.offers.removeFirst() }
        }
    }

    /// Takes `keys` for the present ones, also if there are none.
    func unseal(_ keys: OpenKeys) throws(StoreError) { _ = try install(keys, unsealing: true) }

    /// Forgets every key.
    func forget() {
        state.withLock { state in
            state.current?.forget()
            for older in state.older { older.keys?.forget() }
            state.current = nil
            state.older = []
            state.offers = []
        }
    }

    private func install(_ keys: OpenKeys, unsealing: Bool) throws(StoreError) -> OpenKeys {
        try state.withLock { state throws(StoreError) in
            guard keys.generation >= state.newest else {
                throw .keyring(.older(found: keys.generation, known: state.newest))
            }
            // Sealed meanwhile: only `unseal` changes that.
            guard unsealing || state.current != nil else { throw .sealed }
            // Another thread may have been faster, with a later one.
            if let current = state.current, current.revision > keys.revision { return current }
            state.older.removeAll { $0.keys == nil }
            if let current = state.current { state.older.append(Older(keys: current)) }
            state.current = keys
            state.newest = keys.generation
            // What was offered before and not committed will not be: its command was overtaken, and has to offer anew.
            state.offers.removeAll { $0.keyring.generation <= keys.generation }
            return keys
        }
    }
}
