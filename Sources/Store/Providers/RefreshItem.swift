import Secrets

/// What is known of one value of a provider.
struct RefreshItem<Value: Sendable>: Sendable {
    /// In nanoseconds: *absent* counts when it was said again after so long.
    static var confirmation: UInt64 { 5_000_000_000 }

    let origin: SecretOrigin
    /// How often somebody wants it asked for, in seconds (nil: as the provider's configuration says), and as of which
    /// changes of their secrets.
    struct Want: Sendable {
        private(set) var interval: UInt32?
        private(set) var versions: Set<Version> = []

        mutating func add(_ other: UInt32?, _ version: Version) {
            interval = [interval, other].compactMap { $0 }.min()
            versions.insert(version)
        }
    }
    private(set) var users: [AlgorithmName: Want] = [:]
    /// A secret was changed here while it was being asked for: the answer may be of before.
    private var isOvertaken = false
    var kept: KeptValueOfProvider<Value>?
    /// When the provider last said that it is the newest.
    private(set) var confirmed: UInt64 = 0
    private(set) var failure: ProviderFailure?
    /// In a row.
    private var failures = 0
    /// When *absent* was said first, without anything else since.
    private var absentSince: UInt64?
    var isAbsent = false
    var due: UInt64
    var asked: (question: UInt64, deadline: UInt64)?

    init(origin: SecretOrigin, due: UInt64) {
        self.origin = origin
        self.due = due
    }

    mutating func want(_ want: Want, by name: AlgorithmName, at now: UInt64) {
        let before = users.updateValue(want, forKey: name)
        guard let before, before.versions != want.versions else { return }
        due = now
        isOvertaken = asked != nil
    }

    /// - Returns: whether nobody wants it any more.
    mutating func drop(_ name: AlgorithmName) -> Bool {
        users[name] = nil
        return users.isEmpty
    }

    /// The provider says that what is known is the newest.
    ///
    /// - Returns: whether it was taken for absent.
    mutating func confirm(at now: UInt64, until due: UInt64) -> Bool {
        defer { isAbsent = false }
        confirmed = now
        failure = nil
        failures = 0
        absentSince = nil
        self.due = isOvertaken ? now : due
        isOvertaken = false
        return isAbsent
    }

    /// - Parameters:
    ///   - interval: in seconds.
    ///   - nanoseconds: of so many seconds, more or less.
    /// - Returns: whether something else is shown now.
    mutating func note(
        _ failure: ProviderFailure, at now: UInt64, askedEvery interval: UInt32,
        _ nanoseconds: (UInt32) -> UInt64
    ) -> Bool {
        self.failure = failure
        failures += 1
        guard failure.kind == .absent else {
            absentSince = nil
            due = now + nanoseconds(pause(after: failure, interval))
            return false
        }
        guard let since = absentSince, now >= since + Self.confirmation else {
            absentSince = absentSince ?? now
            due = now + (isAbsent ? nanoseconds(interval) : Self.confirmation)
            return false
        }
        due = now + nanoseconds(interval)
        defer { (isAbsent, kept) = (true, nil) }
        return !isAbsent
    }

    /// In seconds. What asks for patience gets it; what will not change by asking is asked as often as always.
    private func pause(after failure: ProviderFailure, _ interval: UInt32) -> UInt32 {
        let growing = UInt32(1) << UInt32(min(failures - 1, 12))
        // What a provider says counts where it asks for more patience: none at all is no answer.
        return switch failure.kind {
        case .throttled: failure.retryAfter.map { max($0, min(growing, interval)) } ?? max(growing, interval)
        case .down: max(failure.retryAfter ?? 0, min(growing, interval))
        case .absent, .denied, .malformed, .conflict: interval
        }
    }

    var trouble: ProviderTrouble {
        ProviderTrouble(
            origin: origin, algorithms: users.keys.sorted(), failure: failure, hasValue: kept != nil,
            isAbsent: isAbsent)
    }
}
