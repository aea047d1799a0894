import Secrets

/// A version of KV version 2: `3@2026-11-26T10:00:00.5Z`, its number and when it was made. The number alone would not tell
/// a secret from another one that was put in its place: after all of it was deleted, or in a server that was set up anew,
/// numbers begin at 1 again.
struct VaultVersion {
    let number: UInt32
    private let created: String?

    init(_ number: UInt32, _ created: String?) {
        self.number = number
        self.created = created
    }

    /// What an administrator pins is a number; what we know of a value has its time, too. Nil for anything else.
    init?(_ version: ProviderVersion) {
        let parts = version.text.split(separator: "@", maxSplits: 1)
        guard let first = parts.first, let number = UInt32(first), number > 0 else { return nil }
        self.number = number
        created = parts.count > 1 ? String(parts[1]) : nil
    }

    /// Nil where the time is no text that we keep.
    var text: ProviderVersion? { ProviderVersion(created.map { "\(number)@\($0)" } ?? "\(number)") }
}
