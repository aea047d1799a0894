import Glibc
import Synchronization

/// How often a password may be tried: after some tries that failed, each further one has to wait twice as long. Counted
/// for each account, whether there is one or not, and for each address.
final class SignInThrottle: Sendable {
    private struct Rule {
        /// So many may fail before the first wait, which is a second.
        var free: Int
        /// The longest wait.
        var most: Duration
    }
    private enum Kind {
        case account, address

        var rule: Rule {
            switch self {
            // Short at most: who guesses must not keep out for long who knows the password.
            case .account: Rule(free: 5, most: .seconds(60))
            case .address: Rule(free: 20, most: .seconds(900))
            }
        }
    }
    /// What failed so long ago is forgotten.
    private static let memory = Duration.seconds(3600)
    /// About 100 bytes each.
    private static let maximumEntries = 20_000

    private struct Entry {
        var failed = 0
        var last: ContinuousClock.Instant
        /// When the next try may come.
        var next: ContinuousClock.Instant
    }
    private let entries = Mutex<[String: Entry]>([:])
    private let now: @Sendable () -> ContinuousClock.Instant

    init(now: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now }) { self.now = now }

    /// Takes a try: it counts as one that failed until `succeeded` says otherwise, so that a thousand at once are not one.
    ///
    /// - Parameter account: a user's name, or one word for all that are none: a password may be among them.
    /// - Returns: how long to wait, in whole seconds; nil if the password may be tried now.
    func take(account: String, address: String?) -> Int? {
        let now = now()
        let keys = keys(account, address)
        return entries.withLock { entries in
            let waits = keys.compactMap { key, _ in entries[key].map { $0.next - now } }
            if let wait = waits.max(), wait > .zero { return Int(wait.components.seconds) + 1 }
            for (key, kind) in keys {
                var entry = entries[key] ?? Entry(last: now, next: now)
                if now - entry.last > Self.memory { entry.failed = 0 }
                entry.failed += 1
                entry.last = now
                entry.next = now + Self.wait(after: entry.failed, kind.rule)
                if entries[key] == nil { Self.makeRoom(in: &entries, now) }
                entries[key] = entry
            }
            return nil
        }
    }

    /// Takes nothing back of what others tried from the same address: who has one account may be guessing another.
    func succeeded(account: String, address: String?) {
        let now = now()
        entries.withLock { entries in
            for (key, kind) in keys(account, address) {
                guard var entry = entries[key] else { continue }
                guard kind == .address else {
                    entries[key] = nil
                    continue
                }
                entry.failed -= 1
                entry.next = now
                entries[key] = entry
            }
        }
    }

    private static func wait(after failed: Int, _ rule: Rule) -> Duration {
        guard failed >= rule.free else { return .zero }
        return min(rule.most, .seconds(1 << min(failed - rule.free, 20)))
    }

    private static func makeRoom(in entries: inout [String: Entry], _ now: ContinuousClock.Instant) {
        guard entries.count >= maximumEntries else { return }
        entries = entries.filter { now - $0.value.last <= memory }
        while entries.count >= maximumEntries {
            guard let oldest = entries.min(by: { $0.value.last < $1.value.last }) else { return }
            entries[oldest.key] = nil
        }
    }

    private func keys(_ account: String, _ address: String?) -> [(String, Kind)] {
        var keys = [("account \(account)", Kind.account)]
        if let place = address.flatMap(Self.place) { keys.append(("address \(place)", .address)) }
        return keys
    }

    /// What of an address one person has: all of IPv4, the first half of IPv6.
    ///
    /// - Returns: nil for this machine's own, where a proxy speaks for everybody.
    static func place(_ address: String) -> String? {
        var six = in6_addr()
        let plain = address.prefix { $0 != "%" }
        guard unsafe inet_pton(AF_INET6, String(plain), &six) == 1 else {
            return address.hasPrefix("127.") ? nil : address
        }
        let bytes = unsafe withUnsafeBytes(of: &six) { unsafe Array($0) }
        if bytes == [UInt8](repeating: 0, count: 15) + [1] { return nil }
        // ::ffff:192.0.2.1
        if bytes[..<12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF] {
            return place(bytes[12...].map(String.init).joined(separator: "."))
        }
        return bytes[..<8].map { String($0, radix: 16) }.joined(separator: ":")
    }
}
