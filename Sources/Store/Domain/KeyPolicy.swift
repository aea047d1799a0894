package import Secrets

/// When a data key should be rotated. No limit of the cipher is near: the sooner keys change, the less one that
/// leaked is worth, and a bound of use is what auditors ask for.
package struct KeyPolicy: Sendable {
    package static let defaultMaximumDays = 365
    /// 2³², which NIST SP 800-38D §8.3 allows to a key with random 96-bit nonces; ours have 192 bits.
    package static let maximumRecords = 1 << 32
    package let maximumDays: Int

    package init(maximumDays: Int) { self.maximumDays = maximumDays }

    package func warnings(about usage: KeyUsage, at now: Timestamp) -> [KeyWarning] {
        var warnings: [KeyWarning] = []
        if let active = usage.keys.last {
            let days = Self.days(from: active.created, to: now)
            if days > maximumDays { warnings.append(.old(active.id, days: days, maximum: maximumDays)) }
        }
        for key in usage.keys {
            guard let records = usage.records[key.id], records > Self.maximumRecords else { continue }
            warnings.append(.worn(key.id, records: records))
        }
        if usage.keys.count > 1 {
            warnings.append(.unfinished(left: usage.left, keys: usage.keys.count - 1))
        }
        let unreadable = usage.unknown + usage.malformed
        if unreadable > 0 { warnings.append(.unreadable(records: unreadable)) }
        return warnings
    }

    /// Whole days; 0 for a clock that was put back.
    package static func days(from start: Timestamp, to end: Timestamp) -> Int {
        let (seconds, overflow) = end.seconds.subtractingReportingOverflow(start.seconds)
        return overflow ? 0 : Int(max(0, seconds) / 86_400)
    }
}

package enum KeyWarning: Equatable, Sendable, CustomStringConvertible {
    case old(KeyID, days: Int, maximum: Int)
    case worn(KeyID, records: Int)
    case unfinished(left: Int, keys: Int)
    case unreadable(records: Int)

    /// Stable: docs/CLI.md.
    package var kind: String {
        switch self {
        case .old: "old"
        case .worn: "worn"
        case .unfinished: "unfinished"
        case .unreadable: "unreadable"
        }
    }
    package var description: String {
        switch self {
        case .old(let id, let days, let maximum):
            "data key \(id) is \(days) days old, more than \(maximum): secretfs key rotate"
        case .worn(let id, let records):
            "data key \(id) seals \(records) records, more than \(KeyPolicy.maximumRecords): secretfs key rotate"
        case .unfinished(let left, let keys):
            "\(keys) retired key(s) are in the keyring and \(left) record(s) use them: secretfs key rotate --resume"
        case .unreadable(let records):
            "\(records) record(s) are sealed by no key of this store: restore them from a backup, or delete them"
        }
    }
}
