internal import CLinux
import Secrets

extension AuditLog.State {
    /// Appends to `file`, at whose end the tail is.
    mutating func append(_ events: [AuditEvent], to file: borrowing AuditFile) throws(AuditError) {
        try append(events, to: file, isFresh: false, head: [])
    }

    /// - Parameters:
    ///   - isFresh: the first line tells what it follows.
    ///   - head: written before the lines.
    private mutating func append(
        _ events: [AuditEvent], to file: borrowing AuditFile, isFresh: Bool, head: [UInt8]
    ) throws(AuditError) {
        let status = try file.status()
        let tail = AuditTail(status, end: Int(status.st_size), link: known)
        try append(events, to: file, behind: tail, isFresh: isFresh, head: head)
    }

    /// As above, to the end that `place` tells.
    mutating func append(
        _ events: [AuditEvent], to file: borrowing AuditFile, behind place: AuditTail, isFresh: Bool = false,
        head: [UInt8] = []
    ) throws(AuditError) {
        var (place, lines) = (place, AuditLineWriter(head))
        place.link = known
        let now = Timestamp.now()
        for (index, event) in events.enumerated() {
            do {
                try lines.append(event, at: now, following: &place.link, isFresh: isFresh && index == 0, mac)
            } catch { throw .unavailable(path: file.path, reason: error.description) }
        }
        try file.append(lines.bytes, at: place.end)
        place.end += lines.bytes.count
        known = place.link
        tail = place
    }

    /// Makes `tail` the end of `file`: reads what others appended, mends what a crash left, and says what is lost.
    ///
    /// - Throws: `.lost`, after a line that says so was written, if it was lost while this process looked on.
    mutating func catchUp(with file: borrowing AuditFile) throws(AuditError) {
        let status = try file.status()
        let count = Int(status.st_size)
        let knewIt = tail != nil
        let ending: AuditEnding
        if let tail, tail.isOf(status), count >= tail.end {
            if count == tail.end { return }
            ending = try AuditEnding(after: tail, in: file, count: count, mac)
        } else {
            ending = try AuditEnding(of: file, count: count, mac)
        }
        let newline: [UInt8] = ending.isOpen ? [UInt8(ascii: "\n")] : []
        guard let link = ending.link, link.sequence > known.sequence || link == known else {
            let event = AuditEvent(
                .logLost, by: .thisProcess,
                detail: "the file ends at \(ending.link?.sequence ?? 0), not at \(known.sequence)")
            try append([event], to: file, isFresh: true, head: newline)
            try file.sync()
            if knewIt { throw .lost(path: file.path) }
            return
        }
        known = link
        tail = try AuditTail(file, end: count, link: link)
        if ending.surplus > 0 {
            let event = AuditEvent(.logMend, by: .thisProcess, detail: Self.mendDetail(ending.surplus))
            try append([event], to: file, isFresh: true, head: newline)
        } else if ending.isOpen {
            try file.append(newline, at: count)
            tail = try AuditTail(file, end: count + 1, link: link)
        }
    }

    static func mendDetail(_ surplus: Int) -> String { "\(surplus) bytes before this line are no line" }
}
