internal import CLinux
internal import Glibc
import Secrets

/// Where the chain stands in one file.
struct AuditTail: Sendable {
    /// Which file.
    var device: dev_t
    var inode: ino_t
    /// How many bytes of it are accounted for.
    var end: Int
    var link: AuditLink

    init(_ file: borrowing AuditFile, end: Int, link: AuditLink) throws(AuditError) {
        self.init(try file.status(), end: end, link: link)
    }

    init(_ status: stat, end: Int, link: AuditLink) {
        device = status.st_dev
        inode = status.st_ino
        self.end = end
        self.link = link
    }

    func isOf(_ status: stat) -> Bool { status.st_ino == inode && status.st_dev == device }
}

/// What the end of a file looks like to who writes next.
struct AuditEnding: Sendable {
    /// The last line that holds; nil if there is none.
    var link: AuditLink?
    /// Bytes behind that line: a line that a crash cut short, or what a stranger wrote.
    var surplus = 0
    /// Whether the next line needs a newline before it.
    var isOpen = false
}

extension AuditEnding {
    /// More than two of the longest lines.
    private static let windowCount = 192 << 10

    /// Looks at the last lines of `file`: the last that its own MAC and the line before vouch for is the end.
    init(
        of file: borrowing AuditFile, count: Int, _ key: AuditMAC
    ) throws(AuditError) {
        let start = max(0, count - Self.windowCount)
        let bytes = try file.read(start..<count)
        isOpen = bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false
        var lines: [(range: Range<Int>, outline: AuditOutline?)] = []
        let span = unsafe bytes.span.bytes
        let rest = forEachLine(of: span) { line, offset in
            lines.append((offset..<offset + line.byteCount, AuditOutline(line)))
            return true
        }
        if rest < bytes.count {
            let line = span.extracting(rest..<bytes.count)
            lines.append((rest..<bytes.count, AuditOutline(line)))
        }
        for index in lines.indices.reversed() {
            guard let outline = lines[index].outline else { continue }
            let previous = outline.after ?? (index > 0 ? lines[index - 1].outline?.mac : nil)
            guard let previous else { continue }
            let line = span.extracting(lines[index].range)
            guard
                try checked(
                    file.path, { () throws(SealError) in try outline.isAuthentic(line, after: previous, key) }
                )
            else { continue }
            link = outline.link
            let end = min(lines[index].range.upperBound + 1, bytes.count)
            surplus = bytes.count - end
            return
        }
        surplus = bytes.count
    }

    /// Goes on from `tail` over what others appended up to `count`.
    init(
        after tail: AuditTail, in file: borrowing AuditFile, count: Int, _ key: AuditMAC
    ) throws(AuditError) {
        let bytes = try file.read(tail.end..<count)
        let span = unsafe bytes.span.bytes
        var last = tail.link
        let path = file.path
        isOpen = bytes.last.map { $0 != UInt8(ascii: "\n") } ?? false
        let end = try forEachLine(of: span) { line, _ throws(AuditError) in
            guard let outline = AuditOutline(line), outline.sequence == last.sequence &+ 1 else {
                return false
            }
            let previous = last.mac
            guard
                try checked(
                    path, { () throws(SealError) in try outline.isAuthentic(line, after: previous, key) })
            else { return false }
            last = outline.link
            return true
        }
        link = last
        surplus = bytes.count - end
        guard surplus > 0 else { return }
        // What a crash left stands behind the line that this process knows. If that line is not there, it is another's
        // file, an older one that was put over this.
        let known = try AuditEnding(of: file, count: tail.end, key)
        if known.link != tail.link { self = try AuditEnding(of: file, count: count, key) }
    }
}

/// The cryptography beneath fails only where memory does.
func checked<T>(_ path: String, _ body: () throws(SealError) -> T) throws(AuditError) -> T {
    do { return try body() } catch { throw .unavailable(path: path, reason: error.description) }
}
