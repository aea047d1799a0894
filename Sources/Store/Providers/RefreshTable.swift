package import Secrets

/// What is asked of external providers, and when: each value once, however many mounts show it. It reads no clock and
/// speaks to nobody: whoever has it says what time it is, asks what it wants to have asked, and tells the answers.
///
/// Times are nanoseconds of a clock that never goes back; what is kept is of the owner's choosing, sealed.
package struct RefreshTable<Value: Sendable>: Sendable {
    /// Of one provider, at once: one that hangs takes nothing from others. More than the program that asks has open, so
    /// that it need not wait for us with the next (`ProviderService`).
    static var maximumQuestions: Int { 32 }
    /// Longer than any provider's own limit for a login and a read (`ProviderHTTP`).
    static var patience: UInt64 { 30 * second }
    static var second: UInt64 { 1_000_000_000 }

    struct Limits {
        let interval: UInt32
        let maximumAge: UInt32
    }
    var items: [SecretOrigin: RefreshItem<Value>] = [:]
    private(set) var providers: [ProviderName: Limits] = [:]
    var lastQuestion: UInt64 = 0
    /// What they are about; some may be given up already.
    var asked: [UInt64: SecretOrigin] = [:]
    private var lastNumber: UInt32 = 0
    var clock = RefreshClock()
    /// What was due when all were looked at last, for each provider; the first to ask is the last.
    var lines: [ProviderName: [SecretOrigin]] = [:]
    private let jitter: @Sendable () -> Double

    /// - Parameter jitter: by what an interval is multiplied, so that many do not come due at once.
    package init(jitter: @escaping @Sendable () -> Double = { Double.random(in: 0.9...1.1) }) {
        self.jitter = jitter
    }

    /// What a mount shows of an external secret.
    package func state(of origin: SecretOrigin) -> ProviderState<Value> {
        guard let item = items[origin.place] else { return .awaited(nil) }
        if let kept = item.kept { return .value(kept, failing: item.failure) }
        return item.isAbsent ? .absent : .awaited(item.failure)
    }

    // MARK: What is wanted

    /// `name` shows the values of `origins`, and no others, from now on.
    ///
    /// - Parameter origins: with a number that is another one when the secret was changed here: then it is asked for at once.
    package mutating func follow(
        _ name: AlgorithmName, _ origins: [(origin: SecretOrigin, as: Version)], at now: UInt64
    ) {
        var wanted: [SecretOrigin: RefreshItem<Value>.Want] = [:]
        for (origin, version) in origins {
            wanted[origin.place, default: .init()].add(origin.interval, version)
        }
        for place in items.keys where wanted[place] == nil { drop(name, place) }
        for (place, want) in wanted {
            items[place, default: RefreshItem(origin: place, due: now)].want(want, by: name, at: now)
            note(place)
        }
    }

    package mutating func unfollow(_ name: AlgorithmName) {
        for place in Array(items.keys) { drop(name, place) }
        if items.isEmpty { clock = RefreshClock() }
    }

    private mutating func drop(_ name: AlgorithmName, _ place: SecretOrigin) {
        guard items[place]?.users[name] != nil else { return }
        if items[place]?.drop(name) == true { items[place] = nil }
    }

    /// The providers that there are; those whose settings changed are asked at once.
    ///
    /// - Returns: whose mounts show something else now.
    package mutating func setProviders(
        _ new: [ExternalProvider], changed: Set<ProviderName>, at now: UInt64
    ) -> Set<AlgorithmName> {
        let before = Set(providers.keys)
        providers = Dictionary(
            uniqueKeysWithValues: new.map {
                ($0.name, Limits(interval: $0.interval, maximumAge: $0.maximumAge))
            })
        var affected: Set<AlgorithmName> = []
        for (place, item) in items {
            if providers[place.provider] == nil, item.kept != nil || item.isAbsent {
                items[place]?.kept = nil
                items[place]?.isAbsent = false
                affected.formUnion(item.users.keys)
            }
            let isNew = providers[place.provider] != nil && !before.contains(place.provider)
            if isNew || changed.contains(place.provider) {
                items[place]?.due = now
                items[place]?.asked = nil
            }
            note(place)
        }
        clock.look(at: now)
        return affected
    }

    // MARK: Answers

    /// Takes the answer to a question.
    ///
    /// - Parameter time: of the wall clock, for people.
    /// - Returns: whose mounts show something else now.
    package mutating func take(
        _ answer: ProviderAnswer<Value>, to question: UInt64, at now: UInt64, time: Timestamp
    ) -> Set<AlgorithmName> {
        // Late, or of what nobody wants any more.
        guard let place = asked.removeValue(forKey: question), let item = items[place],
            item.asked?.question == question
        else { return [] }
        items[place]?.asked = nil
        defer { note(place) }
        switch answer {
        case .failure(let failure): return note(failure, place, at: now)
        case .unchanged(let timeToLive):
            guard item.kept != nil else {
                return note(
                    ProviderFailure(.malformed, "it says that nothing changed since nothing was known"),
                    place,
                    at: now)
            }
            let isRecovered = confirm(place, timeToLive, at: now)
            // It would have been told.
            let hadEnd = item.kept?.expires != nil
            if hadEnd { items[place]?.kept?.expires = nil }
            return isRecovered || hadEnd ? Set(item.users.keys) : []
        case .value(_, let facts) where facts.expires.map({ $0 <= time }) ?? false:
            items[place]?.kept = nil
            let affected = note(
                ProviderFailure(.denied, "it must not be used any more since \(facts.expires ?? time)"),
                place,
                at: now)
            return item.kept == nil ? affected : Set(item.users.keys)
        case .value(let value, let facts):
            let isRecovered = confirm(place, facts.timeToLive, at: now)
            if let kept = item.kept, kept.version == facts.version, kept.expires == facts.expires {
                return isRecovered ? Set(item.users.keys) : []
            }
            lastNumber += 1
            items[place]?.kept = KeptValueOfProvider(
                value: value, version: facts.version, count: facts.count, number: lastNumber, made: time,
                expires: facts.expires)
            return Set(item.users.keys)
        }
    }

    /// What a question that is not answered yet is about.
    package func origin(ofQuestion question: UInt64) -> SecretOrigin? {
        asked[question]
    }

    /// The provider says that what is known is the newest.
    ///
    /// - Returns: whether it was taken for absent.
    private mutating func confirm(_ place: SecretOrigin, _ timeToLive: UInt32?, at now: UInt64) -> Bool {
        let seconds = min(interval(of: place), max(timeToLive ?? .max, ExternalProvider.intervals.lowerBound))
        let due = now + nanoseconds(seconds)
        return items[place]?.confirm(at: now, until: due) ?? false
    }

    /// - Returns: whose mounts show something else now.
    @discardableResult
    mutating func note(
        _ failure: ProviderFailure, _ place: SecretOrigin, at now: UInt64
    ) -> Set<AlgorithmName> {
        guard var item = items[place] else { return [] }
        let isNews = item.note(failure, at: now, askedEvery: interval(of: place), nanoseconds)
        items[place] = item
        note(place)
        return isNews ? Set(item.users.keys) : []
    }

    /// Gives up questions that are not answered, and values that nobody has confirmed for too long or whose end has come.
    ///
    /// - Returns: whose mounts show something else now, and the questions that nobody need answer.
    package mutating func age(
        at now: UInt64, time: Timestamp
    ) -> (affected: Set<AlgorithmName>, given: [UInt64]) {
        var affected: Set<AlgorithmName> = []
        var given: [UInt64] = []
        for (question, place) in asked {
            guard let asked = items[place]?.asked, asked.question == question, asked.deadline <= now else {
                continue
            }
            items[place]?.asked = nil
            self.asked[question] = nil
            given.append(question)
            affected.formUnion(
                note(ProviderFailure(.down, "\(place.provider) does not answer in time"), place, at: now))
        }
        guard clock.isAgeDue(at: now) else { return (affected, given) }
        var next = UInt64.max
        for (place, item) in items {
            guard let kept = item.kept else { continue }
            if now >= oldest(item) || kept.expires.map({ $0 <= time }) ?? false {
                items[place]?.kept = nil
                affected.formUnion(item.users.keys)
            } else {
                next = min(next, oldest(item))
            }
        }
        clock.aged(at: now, next: next)
        return (affected, given)
    }

    /// Nobody answers what was asked: whoever asked for us has ended.
    package mutating func lose(_ reason: String, at now: UInt64) {
        asked = [:]
        for (place, item) in items where item.asked != nil {
            items[place]?.asked = nil
            note(ProviderFailure(.down, reason), place, at: now)
        }
    }

    /// Forgets every value, and asks for all again.
    package mutating func forgetValues(at now: UInt64) {
        asked = [:]
        for place in items.keys {
            items[place]?.kept = nil
            items[place]?.asked = nil
            items[place]?.due = now
            note(place)
        }
    }

    // MARK: Times

    /// When there is something to ask or to give up after `now`, of which `questions` were asked; nil: never. What waits for
    /// an answer to others is not in it, and an `expires` is the wall clock's.
    package func wake(after now: UInt64) -> UInt64? {
        let deadlines = asked.compactMap { question, place in
            items[place]?.asked.flatMap { $0.question == question ? $0.deadline : nil }
        }
        let soon = now + Self.second / 10
        let next = min(clock.nextLook, max(min(deadlines.min() ?? .max, clock.nextAge), soon))
        return next == .max ? nil : next
    }

    func oldest(_ item: RefreshItem<Value>) -> UInt64 {
        let age = providers[item.origin.provider]?.maximumAge ?? ExternalProvider.defaultMaximumAge
        return item.confirmed + UInt64(age) * Self.second
    }

    private func interval(of place: SecretOrigin) -> UInt32 {
        let configured = providers[place.provider]?.interval ?? ExternalProvider.defaultInterval
        return items[place]?.users.values.map { $0.interval ?? configured }.min() ?? configured
    }

    private func nanoseconds(_ seconds: UInt32) -> UInt64 {
        UInt64(Double(seconds) * jitter() * Double(Self.second))
    }

    /// Those that have no value, or are not confirmed: who wants them, and why.
    package var troubles: [ProviderTrouble] {
        items.values.filter { $0.kept == nil || $0.failure != nil }.map(\.trouble)
            .sorted { $0.origin.description < $1.origin.description }
    }

    /// Some of what `name` shows that has never had a value, or has none any more: at most `limit`. In no order: it is asked
    /// for again and again.
    package func awaited(by name: AlgorithmName, atMost limit: Int) -> [ProviderTrouble] {
        let awaited = items.values.lazy.filter { item in
            item.kept == nil && !item.isAbsent && item.users[name] != nil
        }
        return awaited.prefix(limit).map(\.trouble)
    }
}

extension SecretOrigin {
    /// What it refers to, however often somebody wants it asked for.
    fileprivate var place: SecretOrigin {
        SecretOrigin(provider: provider, reference: reference, version: version)
    }
}
