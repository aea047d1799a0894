import Secrets
import Store

/// What pages say about a secret: marks, and when it was last read.
struct SecretMarks {
    /// In seconds: a secret that nobody read for so long is marked as unused.
    static let unused: Int64 = 90 * 86_400
    /// In seconds: how long before its end a secret is marked as expiring.
    static let expiring: Int64 = 14 * 86_400

    let isUnused: Bool
    let isExpiring: Bool
    private let read: Timestamp?
    private let secret: Secret
    private let state: Candidate.State
    private let reads: LastReads.OfAlgorithm
    private let now: Timestamp

    init(_ secret: Secret, _ state: Candidate.State, _ reads: LastReads.OfAlgorithm, now: Timestamp) {
        self.secret = secret
        self.state = state
        self.reads = reads
        self.now = now
        read = reads.last(of: secret)
        let limit = now.seconds - Self.unused
        // Only where the log tells: what it does not reach back to may have been read then.
        isUnused =
            secret.created.seconds < limit
            && (read.map { $0.seconds < limit } ?? reads.since.map { $0.seconds < limit } ?? false)
        isExpiring = secret.validity.expires.map { $0.seconds - now.seconds < Self.expiring } ?? false
    }

    /// For templates: labels, and how they look.
    private var fields: [PageFields] {
        var fields: [PageFields] = []
        switch state {
        case .visible:
            if isExpiring, let end = secret.validity.expires {
                fields.append(Self.mark("Expires \(PageTime.ahead(end, now: now))", "warn"))
            }
        case .hidden(let home): fields.append(Self.mark("Hidden by that of \(home)", "warn"))
        case .notYet(let start):
            fields.append(Self.mark("Visible \(PageTime.ahead(start, now: now))", "accent"))
        case .expired(let end):
            fields.append(Self.mark("Expired \(PageTime.ago(end, now: now))", "bad"))
        }
        if isUnused { fields.append(Self.mark("Unused", "warn")) }
        if secret.delivery == .file { fields.append(Self.mark("File only", "")) }
        if !secret.callers.isAnyone { fields.append(Self.mark("Some programs only", "")) }
        return fields
    }

    private static func mark(_ label: String, _ kind: String) -> PageFields {
        ["label": label, "kind": kind]
    }

    /// Puts what there is to say into the fields of a row.
    func fill(_ row: inout PageFields) {
        let fields = fields
        row["hasMarks"] = !fields.isEmpty
        row["marks"] = fields
        if let read {
            row["read"] = PageTime.fields(read, now: now)
        } else {
            row["unread"] = unread
        }
    }

    private var unread: String {
        guard let since = reads.since else { return "Being looked up" }
        return since.seconds == 0
            ? "Never" : "Not for \(PageTime.ago(since, now: now).dropLast(4)), as far as the log was read"
    }
}
