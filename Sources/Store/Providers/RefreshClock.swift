/// When a table of many items has to be looked at whole, which takes a while: never later than something is to happen, and
/// not much more often.
struct RefreshClock: Sendable {
    /// In nanoseconds: what comes due by itself may wait so long for others.
    static let pause: UInt64 = 50_000_000
    /// In nanoseconds: ends that the wall clock has are looked for this often.
    static let agePause: UInt64 = 1_000_000_000

    /// Nothing that was not seen yet is due before.
    private(set) var nextLook = UInt64.max
    /// Nothing is too old before.
    private(set) var nextAge = UInt64.max
    private var lastAge: UInt64?

    func isDue(at now: UInt64) -> Bool { now >= nextLook }
    func isAgeDue(at now: UInt64) -> Bool {
        now >= nextAge || lastAge.map { now >= $0 + Self.agePause || now < $0 } ?? true
    }

    /// Something is due at `moment`.
    mutating func look(at moment: UInt64) { nextLook = min(nextLook, moment) }
    /// Something is too old at `moment`.
    mutating func age(at moment: UInt64) { nextAge = min(nextAge, moment) }

    /// - Parameter next: when the next is due of those that are not yet.
    mutating func looked(at now: UInt64, next: UInt64) { nextLook = max(next, now + Self.pause) }
    mutating func aged(at now: UInt64, next: UInt64) { (lastAge, nextAge) = (now, next) }
}
