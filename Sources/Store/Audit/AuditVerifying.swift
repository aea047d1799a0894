internal import CLinux
import Secrets

func linuxDeadline() -> UInt64 { linux_monotonic_nanoseconds() + AuditLog.patience }

/// What came of checking every line of a log.
package struct AuditVerdict: Sendable {
    /// The first thing that is wrong.
    package struct Problem: Sendable, Equatable {
        package enum Kind: String, Sendable {
            /// A line says something else than was written.
            case changed
            case removed
            case reordered
            case repeated
            /// The log ends before a line that was there.
            case truncated
            /// Whole files, or all of it, are others than those that were written.
            case replaced
        }
        package let file: String
        /// From 1.
        package let line: Int
        package let kind: Kind
        package let reason: String
    }
    package internal(set) var problem: Problem?
    /// How many lines hold, up to the problem.
    package internal(set) var records: UInt64 = 0
    /// The numbers of the first and the last of them.
    package internal(set) var first: UInt64?
    package internal(set) var last: UInt64?
    /// What is no damage and should be known: lines that a crash cut short.
    package internal(set) var notes: [String] = []
}

extension SecretStore {
    /// Checks every line of the audit log, and that none is missing that storage knows of.
    package func verifyAudit() throws(StoreError) -> AuditVerdict {
        // Before the files: what is written meanwhile is not missed.
        guard let anchor = try auditAnchor() else { throw .damaged(record: Keys.auditAnchor.text) }
        return try auditing { () throws(AuditError) in try audit.verify(against: anchor) }
    }
}

extension AuditLog {
    func verify(against anchor: AuditAnchor?) throws(AuditError) -> AuditVerdict {
        let snapshot = try AuditSnapshot(folder, until: linuxDeadline())
        let path = folder.current
        let mac: AuditMAC
        do { mac = try AuditMAC(key) } catch { throw .unavailable(path: path, reason: error.description) }
        var check = AuditCheck(anchor: anchor)
        for file in snapshot.files {
            check.begin(file)
            try file.forEachLine { line, number, isWhole throws(AuditError) in
                try checked(path) { () throws(SealError) in
                    try check.take(line, number, isWhole, mac)
                }
                return check.verdict.problem == nil
            }
            if let missing = check.missing {
                let isLater = try file.contains(missing.sequence, after: missing.line)
                check.resolveMissing(isLater: isLater)
            }
            if check.verdict.problem != nil { break }
        }
        if check.verdict.problem == nil { check.end(lacksCurrent: snapshot.lacksCurrent) }
        return check.verdict
    }
}

extension AuditSnapshot.File {
    fileprivate func contains(_ sequence: UInt64, after line: Int) throws(AuditError) -> Bool {
        var isFound = false
        try forEachLine { bytes, number, _ throws(AuditError) in
            isFound = number > line && AuditOutline(bytes)?.sequence == sequence
            return !isFound
        }
        return isFound
    }
}

/// Goes over the lines of a log, from the oldest, until something is wrong.
private struct AuditCheck {
    let anchor: AuditAnchor?
    var verdict = AuditVerdict()
    private var file = ""
    private var line = 0
    /// The end of what holds; nil before the first line.
    private var chain: AuditChain?
    /// A line that is not one, until the next tells whether a crash left it.
    private var torn: (line: Int, count: Int)?
    /// A line that should be here; whether it comes later is not known yet.
    private(set) var missing: (sequence: UInt64, found: UInt64, line: Int)?

    init(anchor: AuditAnchor?) { self.anchor = anchor }

    mutating func begin(_ file: AuditSnapshot.File) {
        settleTorn()
        guard verdict.problem == nil else { return }
        self.file = file.name
        line = 0
    }

    mutating func take(
        _ bytes: RawSpan, _ number: Int, _ isWhole: Bool, _ key: AuditMAC
    ) throws(SealError) {
        line = number
        // All lines but few. What does not go this way is looked at with more care.
        if torn == nil, try chain?.follow(bytes, key) == true { return accept() }
        guard let outline = AuditOutline(bytes) else {
            settleTorn()
            torn = (number, bytes.byteCount)
            if let chain, !AuditOutline.isBeginning(bytes, of: chain.sequence &+ 1) { settleTorn() }
            return
        }
        // A log does not begin with half a line.
        let link = chain?.link
        if link == nil, torn != nil { return settleTorn() }
        let expected = link ?? outline.after.map { AuditLink(sequence: outline.sequence &- 1, mac: $0) }
        guard link != nil || mayBegin(outline), let expected else { return }
        if outline.sequence == expected.sequence &+ 1,
            try outline.isAuthentic(bytes, after: expected.mac, key)
        {
            mended(bytes, outline)
            chain = AuditChain(outline.link)
            return accept()
        }
        if torn != nil { return settleTorn() }
        try judge(bytes, outline, expected, key)
    }

    /// Whether a log may begin with this line; only asked of the first.
    private mutating func mayBegin(_ outline: AuditOutline) -> Bool {
        let first = anchor?.first ?? 1
        if outline.sequence > first {
            fail(.removed, "lines \(first) to \(outline.sequence - 1) are missing before it")
        } else if outline.after == nil {
            fail(.changed, "a log does not begin with such a line")
        }
        return verdict.problem == nil
    }

    /// The line that the chain has come to holds.
    private mutating func accept() {
        guard let chain else { return }
        verdict.records += 1
        verdict.first = verdict.first ?? chain.sequence
        verdict.last = chain.sequence
        if let anchor, anchor.link.sequence == chain.sequence, anchor.link != chain.link {
            fail(.replaced, "line \(chain.sequence) is another than the one that the store knows of")
        }
    }

    /// Whether the line before was cut by a crash: then the one after it says so.
    private mutating func mended(_ bytes: RawSpan, _ outline: AuditOutline) {
        guard let torn else { return }
        let record = AuditRecord((0..<bytes.byteCount).map { bytes.byte(at: $0) })
        guard record?.texts[.action] == AuditAction.logMend.rawValue,
            record?.texts[.detail] == AuditLog.State.mendDetail(torn.count)
        else { return settleTorn() }
        verdict.notes.append("\(file) line \(torn.line): a crash cut this line short; the next one says so")
        self.torn = nil
    }

    private mutating func settleTorn() {
        guard let torn, verdict.problem == nil else { return }
        line = torn.line
        fail(.changed, "it is not a line of the audit log")
    }

    private mutating func judge(
        _ bytes: RawSpan, _ outline: AuditOutline, _ expected: AuditLink, _ key: AuditMAC
    ) throws(SealError) {
        let wanted = expected.sequence &+ 1
        if outline.sequence == wanted {
            if let after = outline.after, after != expected.mac,
                try outline.isAuthentic(bytes, after: after, key)
            {
                return fail(.replaced, "it follows another line than the one before it")
            }
            return fail(.changed, "its MAC does not fit: it or its number was changed")
        }
        if outline.sequence > wanted {
            missing = (wanted, outline.sequence, line)
            fail(.removed, "")
        } else {
            fail(.repeated, "line \(outline.sequence) stands here again, where \(wanted) should be")
        }
    }

    mutating func resolveMissing(isLater: Bool) {
        guard let missing else { return }
        verdict.problem = nil
        if isLater {
            fail(.reordered, "line \(missing.found) stands where \(missing.sequence) should be")
        } else {
            let last = missing.found - 1
            let lines =
                last == missing.sequence ? "line \(last) is" : "lines \(missing.sequence) to \(last) are"
            fail(.removed, "\(lines) missing before it")
        }
    }

    /// After the last line.
    mutating func end(lacksCurrent: Bool) {
        if lacksCurrent {
            settleTorn()
            (file, line) = ("audit.log", 1)
            let last = verdict.last.map { ", with every line after \($0)" } ?? ", and there is no older one"
            return fail(.removed, "the file is not there\(last)")
        }
        let known = anchor?.link.sequence ?? 0
        if let torn {
            let isCut = (verdict.last ?? 0) >= known
            guard isCut else { return settleTorn() }
            verdict.notes.append(
                "\(file) line \(torn.line): this line is not whole; the next writer mends what a crash cut short"
            )
        }
        if verdict.last ?? 0 < known {
            line += 1
            fail(.truncated, "the log ends at line \(verdict.last ?? 0), and line \(known) was there")
        }
    }

    private mutating func fail(_ kind: AuditVerdict.Problem.Kind, _ reason: String) {
        guard verdict.problem == nil else { return }
        verdict.problem = AuditVerdict.Problem(file: file, line: line, kind: kind, reason: reason)
    }
}
