import Nodes
import Secrets
import Store

/// What a node has of the algorithms that are mounted on it.
struct NodeTable {
    enum Answer {
        case view(AlgorithmView)
        case missing, denied, revoked, stale, unknown
    }

    fileprivate struct Known {
        var values: [HeldVersion: ReceivedValue] = [:]
        /// What has come for the next view.
        var staged: [HeldVersion: ReceivedValue] = [:]
        var view: AlgorithmView?
        /// What `view` was made of.
        var sent: LinkView?
        /// What was kept before this agent began, and how old it was then: shown if the server does not answer.
        var kept: (view: LinkView, confirmed: ContinuousClock.Instant)?
        /// There is none, or this node may not have it.
        var isGone = false
        var isDenied = false
        /// Whether it was sent over the connection that there is now.
        var isConfirmed = false
        /// When it was last certain that the server shows this.
        var confirmed: ContinuousClock.Instant?
        var isStale = false
        /// Generations never go back, also where the server's do after a backup was restored.
        var generation: UInt64 = 0
    }
    private var known: [AlgorithmName: Known] = [:]
    private var batch: (name: AlgorithmName, batch: ReceivedBatch)?
    private var stagedCount = 0
    private var heard = ContinuousClock.now

    // MARK: What is followed

    /// - Returns: whether it is new.
    mutating func add(_ name: AlgorithmName) -> Bool {
        guard known[name] == nil || known[name]?.isGone == true else { return false }
        known[name] = Known(generation: known[name]?.generation ?? 0)
        return true
    }

    mutating func remove(_ name: AlgorithmName) { known[name] = nil }

    func held(of name: AlgorithmName) -> [HeldVersion] { known[name].map { Array($0.values.keys) } ?? [] }

    func follows() -> [(AlgorithmName, [HeldVersion])] { known.keys.map { ($0, held(of: $0)) } }
    var count: Int { known.count }
    func follows(_ name: AlgorithmName) -> Bool { known[name] != nil }

    // MARK: What is shown

    func hasAnswer(for name: AlgorithmName) -> Bool {
        known[name].map { $0.view != nil || $0.isGone } ?? false
    }

    func answer(for name: AlgorithmName, _ staleSeconds: Int, _ isLinked: Bool) -> Answer {
        guard let known = known[name] else { return .unknown }
        if known.isGone { return known.isDenied ? .denied : .missing }
        guard let view = known.view else { return .unknown }
        return isStale(known, staleSeconds, isLinked) ? .stale : .view(view)
    }

    /// What `name`, or any algorithm, shows without a value of its provider.
    func awaited(by name: AlgorithmName?) -> [(name: AlgorithmName, entry: Entry)] {
        known.filter { name == nil || $0.key == name }.sorted { $0.key < $1.key }.flatMap { name, known in
            (known.view?.entries ?? []).filter(\.isAwaited).map { (name, $0) }
        }
    }

    mutating func emptyView(of name: AlgorithmName) -> AlgorithmView {
        let generation = (known[name]?.generation ?? 0) + 1
        known[name]?.generation = generation
        return AlgorithmView(generation: generation, modified: .now(), entries: [])
    }

    // MARK: What comes

    /// In bytes: of the values that come for one view. A server that sends more has something else in mind.
    static let maximumStaged = 256 << 20

    mutating func begin(_ batch: ReceivedBatch, of name: AlgorithmName) {
        if let before = self.batch?.name { known[before]?.staged = [:] }
        self.batch = (name, batch)
        stagedCount = 0
        known[name]?.staged = [:]
    }

    /// What is too much is dropped, and so the view that it is for is not shown.
    mutating func stage(_ sealed: [UInt8], as held: HeldVersion) {
        guard let batch, stagedCount <= Self.maximumStaged else { return }
        stagedCount += sealed.count + MemoryLayout<HeldVersion>.stride
        known[batch.name]?.staged[held] = ReceivedValue(sealed, in: batch.batch)
    }

    /// - Returns: false if a value of it is missing: then nothing of it is shown.
    mutating func show(_ view: LinkView, of name: AlgorithmName) -> Bool {
        guard var state = known[name] else { return true }
        defer { known[name] = state }
        let isWhole = state.take(view)
        state.sent = view
        state.kept = nil
        state.isGone = false
        state.isConfirmed = true
        state.confirmed = .now
        state.isStale = false
        return isWhole
    }

    // MARK: What is kept

    /// What was kept of `name`: its values need not be sent again, and it is there if the server does not answer.
    ///
    /// - Parameter age: in seconds.
    mutating func offer(_ kept: KeptView, _ age: UInt64, of name: AlgorithmName, by key: NodeKey) {
        guard known[name]?.view == nil else { return }
        var batches: [[UInt8]: ReceivedBatch] = [:]
        var values: [HeldVersion: ReceivedValue] = [:]
        for (held, value) in kept.values {
            let batch = batches[value.encapsulated] ?? ReceivedBatch(value.encapsulated, for: name, by: key)
            // What an agent kept for a node that this machine was before is nothing to us.
            if batches[value.encapsulated] == nil, !batch.opens(value.sealed, as: held) { return }
            batches[value.encapsulated] = batch
            values[held] = ReceivedValue(value.sealed, in: batch)
        }
        known[name]?.values = values
        known[name]?.kept = (kept.view, .now - .seconds(age))
    }

    /// Shows what was kept of `name`, if nothing else came.
    ///
    /// - Returns: whether there is something to show now.
    mutating func showKept(of name: AlgorithmName) -> Bool {
        guard var state = known[name], state.view == nil, !state.isGone, let kept = state.kept else {
            return hasAnswer(for: name)
        }
        _ = state.take(kept.view)
        state.sent = kept.view
        state.confirmed = kept.confirmed
        known[name] = state
        return true
    }

    /// What is to be kept of `name` now; nil if the server has said nothing of it over this connection.
    func toKeep(of name: AlgorithmName, at moment: KeptMoment) -> KeptView? {
        guard let state = known[name], state.isConfirmed, let sent = state.sent else { return nil }
        let values = state.values.mapValues {
            KeptValue(encapsulated: $0.batch.encapsulated, sealed: $0.bytes)
        }
        return KeptView(view: sent, values: values, confirmed: moment)
    }

    var confirmed: [AlgorithmName] { known.filter { $0.value.isConfirmed }.map(\.key) }
    /// In seconds: when the server was last heard of.
    var silence: UInt64 { UInt64(max(0, (ContinuousClock.now - heard).components.seconds)) }

    fileprivate static func entry(_ entry: LinkEntry, _ value: ReceivedValue?) -> Entry {
        var details = Hasher()
        if let told = entry.details {
            details.combine(told.displayName.text)
            details.combine(told.description.text)
            details.combine(told.provider.text)
        }
        return Entry(
            name: entry.name, secret: entry.held.secret, version: entry.held.version,
            delivery: entry.delivery,
            count: entry.count, modified: entry.held.modified, sealed: NodeEntry(entry, value),
            callers: entry.callers, expires: entry.expires, detailsMark: details.finalize(),
            isUnreadable: entry.isUnreadable,
            isAwaited: !entry.hasValue && entry.details.map { $0.provider != .internal } ?? false,
            valueExpires: entry.valueExpires)
    }

    mutating func withdraw(_ name: AlgorithmName, isDenied: Bool) {
        guard let generation = known[name]?.generation else { return }
        known[name] = Known(isGone: true, isDenied: isDenied, generation: generation)
    }

    // MARK: Keys

    mutating func forgetValues() {
        for name in known.keys { withdraw(name, isDenied: true) }
    }

    func forgetKeys() {
        for state in known.values { for value in state.values.values { value.batch.forget() } }
    }

    // MARK: Age

    mutating func hear() { heard = .now }

    /// From here on it grows older.
    mutating func lose() {
        for name in known.keys where known[name]?.isConfirmed == true {
            known[name]?.isConfirmed = false
            known[name]?.confirmed = heard
        }
        batch = nil
    }

    private func isStale(_ known: Known, _ seconds: Int, _ isLinked: Bool) -> Bool {
        // Whoever connects for us ends a connection that is silent for so long; and if that hangs, here is the end.
        let patience = isLinked && known.isConfirmed ? max(seconds, Self.silentSeconds) : seconds
        let confirmed = isLinked && known.isConfirmed ? heard : known.confirmed ?? heard
        return ContinuousClock.now - confirmed > .seconds(patience)
    }
    private static let silentSeconds = 30

    /// - Returns: those that have become too old since it was asked last.
    mutating func becameStale(_ seconds: Int, _ isLinked: Bool) -> [AlgorithmName] {
        var became: [AlgorithmName] = []
        for (name, state) in known where state.view != nil {
            let isStale = isStale(state, seconds, isLinked)
            if isStale, !state.isStale { became.append(name) }
            known[name]?.isStale = isStale
        }
        return became
    }
}

extension NodeTable.Known {
    /// Makes `sent` what is shown, of the values that are there.
    ///
    /// - Returns: false if a value of it is missing.
    fileprivate mutating func take(_ sent: LinkView) -> Bool {
        let all = values.merging(staged) { _, new in new }
        var isWhole = true
        var entries: [Entry] = []
        (values, staged) = ([:], [:])
        for entry in sent.entries {
            let value = entry.hasValue ? all[entry.held] : nil
            if let value { values[entry.held] = value }
            if entry.hasValue, value == nil { isWhole = false }
            entries.append(NodeTable.entry(entry, value))
        }
        generation = max(sent.generation, generation + 1)
        view = AlgorithmView(generation: generation, modified: sent.modified, entries: entries)
        return isWhole
    }
}
