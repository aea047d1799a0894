import FoundationEssentials
package import Secrets

extension SecretStore {
    /// Everything that the mounts of `name` show now. Values stay sealed.
    ///
    /// A secret whose own record does not open is an entry that opens nothing, and hides others of its name. Nothing in
    /// it depends on what `name` does not see, but that the generation counts all commits.
    ///
    /// - Parameters:
    ///   - moment: which validities have begun and ended.
    ///   - before: what was shown before. Sealed records that are the same since are kept once for both views, since
    ///     what was opened and what an open may still ask for keeps the views before.
    package func view(
        of name: AlgorithmName, at moment: Timestamp = .now(), after before: AlgorithmView? = nil
    ) throws(StoreError) -> AlgorithmView {
        // Between the reads an update may delete a version that the first one named. Then all is read again; a
        // value's record never changes once it is there, so what is found belongs together.
        try retrying("view of \(name)") { () throws(StoreError) in
            let begun = try keyholder.current
            let (algorithm, visibility, revision) = try visibility(of: name)
            let first = visibility.first(for: name)
            // A record of a key that was destroyed since it was read, by a rotation meanwhile, is no damage.
            if first.contains(where: { $0.found == nil }), (try? hasOther(than: begun)) == true {
                throw .storage(.conflict(Keys.keyring))
            }
            let timed = first.compactMap(\.found)
            let shown = first.filter { $0.found?.value.validity.state(at: moment) == .visible }
                .compactMap { item in item.found.map { (home: item.home, found: $0) } }
            let values = try values(of: shown, in: name, since: revision)
            let keys = try keyholder.current
            let isOpenable = (shown.map(\.found.record) + values.values).allSatisfy { keys.has(keyOf: $0) }
            // A record of a key that was made after we looked; what is damaged stays an error of its own file.
            if !isOpenable, try hasOther(than: keys) { throw .storage(.conflict(Keys.keyring)) }
            let former = before?.records ?? [:]
            let entries =
                shown.map { home, found in
                    let value = values[Self.valueKey(of: found.value, in: home)]
                    let sealed = StoredEntry(
                        keys: keys, name: found.value.name, metadata: found.record, value: value)
                    return entry(found.value, former.sharing(sealed), algorithm.value.callers)
                } + first.filter { $0.found == nil }.map { unreadable($0.name, in: algorithm.value) }
            let limits = timed.flatMap(\.value.validity.limits)
            let modified =
                shown.map(\.found.value.current.created) + shown.compactMap(\.found.value.validity.notBefore)
            return AlgorithmView(
                generation: Self.generation(
                    of: revision, limitsPassed: limits.count { $0 <= moment },
                    unreadable: first.count { $0.found == nil }),
                modified: modified.max() ?? algorithm.value.created,
                entries: entries.sorted { $0.name < $1.name },
                nextChange: limits.filter { moment < $0 }.min(),
                shared: Set(visibility.shared.compactMap(\.sharedSecret)),
                mounters: algorithm.value.mounters)
        }
    }

    /// Grows with each commit and, between two commits, with each beginning and end of a validity, and with each record
    /// that opens again.
    package static func generation(
        of revision: Revision, limitsPassed: Int = 0, unreadable: Int = 0
    ) -> UInt64 {
        // What storage says of its revision is no reason to overflow, and each number is apart from its neighbours'.
        let steps: UInt64 = 100_000
        let most = 49_999
        return (min(revision.rawValue, .max / steps - 2) + 1) * steps + UInt64(min(limitsPassed, most))
            - UInt64(min(unreadable, most))
    }

    /// Each change that is no commit counts as one.
    package static func generation(_ generation: UInt64, later changes: UInt64) -> UInt64 {
        let (sum, isTooMuch) = generation.addingReportingOverflow(min(changes, 1 << 40) * 100_000)
        return isTooMuch ? .max : sum
    }

    private static func valueKey(of secret: Secret, in home: SecretHome) -> RecordKey {
        Keys.value(secret.current.version, of: secret.id, in: home)
    }

    /// The newest values; one that storage has lost is not among them.
    private func values(
        of shown: [(home: SecretHome, found: Found<Secret>)], in name: AlgorithmName, since revision: Revision
    ) throws(StoreError) -> [RecordKey: StoredRecord] {
        let places = shown.map { Self.valueKey(of: $0.found.value, in: $0.home) }
        let values = try storing { () throws(StorageError) in
            try storage.read(places.map(Selection.key), at: nil)
        }
        let found = Dictionary(values.records.map { ($0.key, $0) }) { first, _ in first }
        if found.count < places.count, values.revision > revision {
            throw .storage(.conflict(Keys.algorithm(name)))
        }
        return found
    }

    /// Of its secret nothing is known: not for whom it is, nor how it is delivered. So `.environ` does not open either.
    private func unreadable(_ name: EnvironmentName, in algorithm: Algorithm) -> Entry {
        Entry(
            name: name, secret: SecretID(uuid: (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
            version: .first, delivery: .env, count: 0, modified: algorithm.created,
            sealed: UnreadableEntry(), callers: [algorithm.callers].filter { !$0.isAnyone },
            isUnreadable: true)
    }

    private func entry(_ secret: Secret, _ sealed: StoredEntry, _ algorithmRule: CallerRule) -> Entry {
        let current = secret.current
        var details = Hasher()
        details.combine(secret.displayName.text)
        details.combine(secret.about.text)
        details.combine(secret.provider.text)
        details.combine(secret.origin)
        return Entry(
            name: secret.name, secret: secret.id, version: current.version,
            delivery: secret.delivery, count: current.count, modified: current.created,
            sealed: secret.origin == nil ? sealed : ExternalEntry(record: sealed),
            callers: [algorithmRule, secret.callers].filter { !$0.isAnyone },
            expires: secret.validity.expires, detailsMark: details.finalize(), origin: secret.origin,
            isAwaited: secret.origin != nil)
    }
}

extension AlgorithmView {
    fileprivate var records: [EnvironmentName: StoredEntry] {
        let records = entries.compactMap { entry in
            (entry.sealed as? StoredEntry ?? (entry.sealed as? ExternalEntry)?.record).map {
                (entry.name, $0)
            }
        }
        return Dictionary(records) { first, _ in first }
    }
}

extension [EnvironmentName: StoredEntry] {
    /// `entry`, or the one that has the same records and keys.
    fileprivate func sharing(_ entry: StoredEntry) -> StoredEntry {
        guard let former = self[entry.name], former.isSame(as: entry) else { return entry }
        return former
    }
}

/// An entry of which no record opens.
private struct UnreadableEntry: SealedEntry {
    func open(into destination: inout OutputRawSpan) throws(OpenError) { throw .damaged }
    func check() throws(OpenError) { throw .damaged }
    func details() throws(OpenError) -> EntryDetails { throw .damaged }
}

/// An external secret, whose value is not here: it opens nothing until somebody has joined what its provider gave.
private struct ExternalEntry: SealedEntry {
    let record: StoredEntry
    func open(into destination: inout OutputRawSpan) throws(OpenError) { throw .awaited }
    func check() throws(OpenError) { throw .awaited }
    func details() throws(OpenError) -> EntryDetails { try record.details() }
}

/// The sealed records of one entry, as a mount keeps them in memory, with the keys that open them. Nothing here reads
/// storage: it answers requests of the mount.
private final class StoredEntry: SealedEntry {
    private let keys: OpenKeys
    let name: EnvironmentName
    private let metadata: StoredRecord
    /// Nil if storage has lost it.
    private let value: StoredRecord?

    init(keys: OpenKeys, name: EnvironmentName, metadata: StoredRecord, value: StoredRecord?) {
        self.keys = keys
        self.name = name
        self.metadata = metadata
        self.value = value
    }

    func isSame(as other: StoredEntry) -> Bool {
        keys === other.keys && metadata == other.metadata && value == other.value
    }

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        guard let value else { throw .damaged }
        let bytes = value.bytes
        do {
            try keys.sealer.open(bytes.span, under: value.key, into: &destination)
        } catch {
            throw error == .sealed ? .sealed : .damaged
        }
    }

    func check() throws(OpenError) {
        guard value != nil else { throw .damaged }
        do { _ = try keys.sealer } catch { throw .sealed }
    }

    func details() throws(OpenError) -> EntryDetails {
        let plaintext: SecretValue
        let bytes = metadata.bytes
        do {
            plaintext = try keys.sealer.open(bytes.span, under: metadata.key)
        } catch {
            throw error == .sealed ? .sealed : .damaged
        }
        let secret: Secret
        do { secret = try Secret(name, decoding: plaintext.copied) } catch { throw .damaged }
        return EntryDetails(
            displayName: secret.displayName, description: secret.about, provider: secret.provider)
    }
}

extension SecretValue {
    /// For what is no value: metadata.
    var copied: [UInt8] {
        withBytes { plaintext in
            unsafe [UInt8](unsafeUninitializedCapacity: plaintext.byteCount) { buffer, count in
                unsafe plaintext.withUnsafeBytes { source in
                    unsafe UnsafeMutableRawBufferPointer(buffer).copyMemory(from: source)
                }
                count = plaintext.byteCount
            }
        }
    }
}
