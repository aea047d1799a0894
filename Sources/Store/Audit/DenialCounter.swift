/// Which of many denials are recorded one by one, and which are counted: whoever is denied may ask a million times, and
/// must not fill the log. In a window of time, each user's first denials are recorded, of so many users; the rest is one
/// line for each of them at its end, and one for all others together.
package struct DenialCounter<User: Hashable & Comparable & Sendable>: Sendable {
    /// Users who are told apart in one window. A user may have thousands of numbers (subuid(5)).
    package static var maximumUsers: Int { 64 }
    /// Of each user.
    private let recorded: Int
    private var counts: [User: Int] = [:]
    private var others = 0

    package init(recording recorded: Int = 1) { self.recorded = recorded }

    /// - Returns: whether it is to be recorded now. `isFirst`: a window begins, whose end must be told by `end`.
    package mutating func note(_ user: User) -> (isRecorded: Bool, isFirst: Bool) {
        let isFirst = counts.isEmpty && others == 0
        if let count = counts[user] {
            counts[user] = count + 1
            return (count < recorded, isFirst)
        }
        guard counts.count < Self.maximumUsers else {
            others += 1
            return (false, isFirst)
        }
        counts[user] = 1
        return (true, isFirst)
    }

    /// Ends the window.
    ///
    /// - Returns: how many were not recorded, by user; nil for all whom it did not tell apart.
    package mutating func end() -> [(user: User?, count: Int)] {
        defer { self = DenialCounter(recording: recorded) }
        let known = counts.filter { $0.value > recorded }.sorted { $0.key < $1.key }
        return known.map { ($0.key, $0.value - recorded) } + (others > 0 ? [(nil, others)] : [])
    }
}
