import CLinux
import Dispatch
import Fuse
package import Logging
package import Secrets
package import Store
import Synchronization

/// The values of external secrets that mounts show: asked for again and again, by a program of its own, and kept sealed.
/// No mount ever waits for it.
package final class ExternalValues: Sendable {
    struct State {
        var table = RefreshTable<SealedExternal>()
        var key: ExternalKey?
        /// How often something else was to be shown: part of the generation of views.
        var changes: UInt64 = 0
        /// As of which generation.
        var followed: [AlgorithmName: UInt64] = [:]
        var process: ProviderProcess?
        /// What stands for a provider in the pipe, and as of when its settings are.
        var known: [ProviderName: (number: UInt32, modified: Timestamp)] = [:]
        var lastNumber: UInt32 = 0
        var armed: UInt64?
        var isStopped = true
        /// Whose mounts are to show something else; and what is on its way to a queue, so that many answers at once are one
        /// look at the clock and one reading of a view.
        var unshown: Set<AlgorithmName> = []
        var willShow = false
        var nextShow: UInt64 = 0
        var willLook = false

        /// The process that asks, if nobody needs it: it has credentials.
        mutating func takeUnneeded() -> ProviderProcess? {
            guard followed.isEmpty else { return nil }
            defer { (process, known) = (nil, [:]) }
            return process
        }
    }
    let state = Mutex(State())
    let store: SecretStore
    let log: Logger
    let seldom = Seldom()
    /// Asks, and looks at the clock.
    let queue = DispatchQueue(label: "providers")
    /// Tells what to look at anew: a view of many secrets takes a while to read.
    private let showing = DispatchQueue(label: "shown")
    private let onChange = Mutex<(@Sendable (AffectedMounts) -> Void)?>(nil)
    /// In nanoseconds: it looks this often anyway while there is something to look at, for ends that the wall clock has.
    private static let longestWait: UInt64 = 10_000_000_000
    /// Nothing is shown for so many times as long as the last time took, and at most for so long, in nanoseconds.
    private static let restAfterShowing: UInt64 = 8
    private static let longestRest: UInt64 = 200_000_000

    private func time(at moment: UInt64) -> DispatchTime {
        let now = now
        return .now() + .nanoseconds(Int(clamping: moment > now ? moment - now : 0))
    }

    package init(_ store: SecretStore, _ log: Logger) {
        self.store = store
        self.log = log
    }

    /// Goes on while the machine sleeps: values get older then, too.
    var now: UInt64 { linux_boot_nanoseconds() }

    /// - Parameter onChange: told what to look at anew, on a thread of its own.
    package func start(onChange: @escaping @Sendable (AffectedMounts) -> Void) throws {
        self.onChange.withLock { $0 = onChange }
        try unseal()
    }

    /// What was given is forgotten, and nothing is asked any more: the process that asks has credentials.
    package func seal() {
        let (process, key) = state.withLock { state in
            state.isStopped = true
            state.table.forgetValues(at: now)
            defer { (state.process, state.key, state.known) = (nil, nil, [:]) }
            return (state.process, state.key)
        }
        key?.forget()
        process?.end()
    }

    package func unseal() throws {
        let key = try ExternalKey()
        state.withLock { state in
            state.key = key
            state.isStopped = false
            state.changes += 1
        }
        reload()
    }

    package func stop() { seal() }

    func tell(_ names: Set<AlgorithmName>) {
        guard !names.isEmpty else { return }
        let isFirst = state.withLock { state in
            state.unshown.formUnion(names)
            defer { state.willShow = true }
            return !state.willShow
        }
        guard isFirst else { return }
        showing.asyncAfter(deadline: time(at: state.withLock { $0.nextShow })) { [weak self] in self?.show() }
    }

    private func show() {
        let (names, begun) = state.withLock { state in
            defer { (state.unshown, state.willShow) = ([], false) }
            return (state.unshown, now)
        }
        guard !names.isEmpty else { return }
        onChange.withLock { $0 }?(.some(Set(names.map { .algorithm($0) })))
        // Where many answers come, each change of many entries would be shown once more.
        let pause = min((now - begun) * Self.restAfterShowing, Self.longestRest)
        state.withLock { $0.nextShow = now + pause }
    }

    // MARK: For views

    /// `view` with what providers gave; and from now on what it refers to is asked for.
    package func join(_ view: AlgorithmView, of name: AlgorithmName) -> AlgorithmView {
        let origins = view.origins
        let (joined, isNew, unfit, unneeded) = state.withLock {
            state -> (AlgorithmView, Bool, [Entry], ProviderProcess?) in
            // The store's own generation: another one may refer to something else.
            let isNew = state.followed[name].map { $0 != view.generation } ?? !origins.isEmpty
            if isNew {
                state.table.follow(name, origins, at: now)
                state.followed[name] = origins.isEmpty ? nil : view.generation
            }
            guard !origins.isEmpty else {
                let unneeded = isNew ? state.takeUnneeded() : nil
                return (view.holding(view.entries, later: state.changes), isNew, [], unneeded)
            }
            var unfit: [Entry] = []
            let entries = view.entries.compactMap { entry in
                entry.origin == nil ? entry : Self.joined(entry, state, &unfit)
            }
            return (view.holding(entries, later: state.changes), isNew, unfit, nil)
        }
        unneeded?.end()
        for entry in unfit {
            note(
                entry.origin?.description ?? "",
                "\(entry.name) cannot be a variable, and is not to be a file alone: --delivery file")
        }
        if isNew { wake() }
        return joined
    }

    /// Nil where the provider says that there is none.
    ///
    /// - Parameter unfit: what no variable can hold.
    private static func joined(_ entry: Entry, _ state: borrowing State, _ unfit: inout [Entry]) -> Entry? {
        guard let origin = entry.origin else { return entry }
        switch state.table.state(of: origin) {
        case .absent: return nil
        // It is listed, and opens nothing.
        case .awaited: return entry
        case .value(let kept, _):
            let refusal = Delivery.refusal(hasNUL: kept.value.hasNUL, count: kept.count, as: entry.name)
            guard entry.delivery == .file || refusal == nil else {
                unfit.append(entry)
                return entry
            }
            let sealed = ExternalEntry(value: kept.value, expires: kept.expires, secret: entry.sealed)
            return entry.holding(
                sealed, as: Version(number: kept.number), count: kept.count, made: kept.made,
                valueExpires: kept.expires)
        }
    }

    package func release(_ name: AlgorithmName) {
        let unneeded = state.withLock { state -> ProviderProcess? in
            guard state.followed.removeValue(forKey: name) != nil else { return nil }
            state.table.unfollow(name)
            return state.takeUnneeded()
        }
        unneeded?.end()
    }

    /// What has no value now, or none that is confirmed.
    package var troubles: [ProviderTrouble] { state.withLock { $0.table.troubles } }

    /// Some of what `name` shows that has never had a value, or has none any more: at most `limit`. When it is empty, mounts
    /// show all values.
    package func awaited(by name: AlgorithmName, atMost limit: Int) -> [ProviderTrouble] {
        let awaited = state.withLock { $0.table.awaited(by: name, atMost: limit) }
        if awaited.isEmpty { showing.sync { show() } }
        return awaited
    }

    // MARK: The clock

    func wake() {
        let isFirst = state.withLock { state in
            defer { state.willLook = true }
            return !state.willLook
        }
        guard isFirst else { return }
        queue.async { [weak self] in
            self?.state.withLock { $0.willLook = false }
            self?.look()
        }
    }

    /// Gives up what is over, asks what is due, and looks again when there is more to do.
    func look() {
        let isStopped = state.withLock { $0.isStopped }
        guard !isStopped else { return }
        let time = Timestamp.now()
        let (affected, given, questions) = state.withLock { state in
            let now = now
            let questions = state.table.questions(at: now)
            let aged = state.table.age(at: now, time: time)
            if !aged.affected.isEmpty { state.changes += 1 }
            return (aged.affected, aged.given, questions)
        }
        for id in given { state.withLock { $0.process }?.send(.cancel(id)) }
        if !questions.isEmpty { ask(questions) }
        tell(affected)
        arm()
    }

    private func arm() {
        let now = now
        let next = state.withLock { state -> UInt64? in
            guard !state.isStopped, let wake = state.table.wake(after: now) else { return nil }
            let next = min(max(wake, now), now + Self.longestWait)
            if let armed = state.armed, armed <= next, armed > now { return nil }
            state.armed = next
            return next
        }
        guard let next else { return }
        queue.asyncAfter(deadline: time(at: next)) { [weak self] in self?.look() }
    }
}

extension AlgorithmView {
    /// - Parameter changes: each is a generation.
    fileprivate func holding(_ entries: [Entry], later changes: UInt64) -> AlgorithmView {
        AlgorithmView(
            generation: SecretStore.generation(generation, later: changes),
            modified: max(modified, entries.map(\.modified).max() ?? modified), entries: entries,
            nextChange: nextChange, shared: shared, mounters: mounters)
    }
}
