import FoundationEssentials
package import Secrets

/// A moment on the command line.
package enum Moment {
    package static let forms = "2026-12-31, 2026-12-31T18:00:00Z, or from now: 90d, 12h, 30m, 90s"

    /// - Parameter text: a date (its first moment, UTC), RFC 3339, or a number of days, hours, minutes or seconds from now.
    /// - Parameter option: what messages call it.
    package static func parse(
        _ text: String, of option: String, now: Timestamp = .now()
    ) throws(Failure) -> Timestamp {
        if let moment = fromNow(text, now) ?? fixed(text) { return moment }
        throw Failure(
            .badInput, "\(option) is not in a form that is understood", hint: "for example \(forms)")
    }

    /// A date or RFC 3339, and nothing that depends on now.
    package static func fixed(_ text: String, of option: String) throws(Failure) -> Timestamp {
        if let moment = fixed(text) { return moment }
        throw Failure(.badInput, "\(option) must be a date or RFC 3339, for example 2026-12-31T18:00:00Z")
    }

    private static func fromNow(_ text: String, _ now: Timestamp) -> Timestamp? {
        seconds(text).map { Timestamp(seconds: now.seconds + $0, nanoseconds: now.nanoseconds) }
    }

    /// A number of days, hours, minutes or seconds: `90d`, `12h`, `30m`, `90s`; nil if it is not one.
    package static func seconds(_ text: String) -> Int64? {
        let units: [Character: Int64] = ["d": 86_400, "h": 3600, "m": 60, "s": 1]
        // Nine digits: nothing overflows.
        guard let unit = text.last.flatMap({ units[$0] }), text.utf8.count <= 10,
            let count = Int64(text.dropLast()), count >= 0
        else { return nil }
        return count * unit
    }

    private static func fixed(_ text: String) -> Timestamp? {
        guard text.utf8.count <= 40 else { return nil }
        let whole = text.utf8.count == 10 ? text + "T00:00:00Z" : text
        for hasFraction in [false, true] {
            let style = Date.ISO8601FormatStyle(includingFractionalSeconds: hasFraction)
            guard let date = try? style.parse(whole) else { continue }
            let seconds = date.timeIntervalSince1970
            guard abs(seconds) < 1e11 else { return nil }
            return Timestamp(seconds: Int64(seconds.rounded(.down)), nanoseconds: 0)
        }
        return nil
    }
}
