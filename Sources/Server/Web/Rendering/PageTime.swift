import Secrets

/// Moments as people read them.
enum PageTime {
    /// For the template `time`: when it was, exactly, and how long ago.
    static func fields(_ moment: Timestamp, now: Timestamp = .now()) -> PageFields {
        let iso = moment.description
        let second = iso.prefix(19).replacing("T", with: " ")
        return [
            "iso": iso, "exact": "\(second.prefix(16)) UTC", "second": "\(second) UTC",
            "ago": ago(moment, now: now),
        ]
    }

    static func ago(_ moment: Timestamp, now: Timestamp) -> String {
        let seconds = now.seconds - moment.seconds
        return seconds < 45 ? "just now" : "\(span(seconds)) ago"
    }

    static func ahead(_ moment: Timestamp, now: Timestamp) -> String {
        "in \(span(max(60, moment.seconds - now.seconds)))"
    }

    private static func span(_ seconds: Int64) -> String {
        let units: [(seconds: Int64, name: String)] = [
            (365 * 86_400, "year"), (30 * 86_400, "month"), (86_400, "day"), (3600, "hour"), (60, "minute"),
        ]
        for unit in units where seconds >= unit.seconds {
            let count = seconds / unit.seconds
            return "\(count) \(unit.name)\(count == 1 ? "" : "s")"
        }
        return "1 minute"
    }
}
