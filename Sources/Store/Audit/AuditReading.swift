internal import CLinux
internal import Glibc
package import Secrets

/// The files of a log as they are at one moment, each open, from the oldest.
struct AuditSnapshot: ~Copyable {
    struct File: Sendable {
        let path: String
        let descriptor: Int32
        /// Lines that come later are not of this moment.
        let count: Int
        var name: String { path.split(separator: "/").last.map(String.init) ?? path }
    }
    private(set) var files: [File] = []
    /// Somebody took `audit.log` away: it is there at every moment, also while files are moved aside.
    private(set) var lacksCurrent = false

    init(_ folder: AuditFolder, until deadline: UInt64) throws(AuditError) {
        while true {
            guard let current = try AuditFile.openForReading(folder.current) else {
                lacksCurrent = true
                for path in try folder.numbers().map(folder.moved) {
                    guard let file = try AuditFile.openForReading(path) else { continue }
                    try add(file, try file.status())
                }
                return
            }
            // Nobody writes a line or moves a file meanwhile.
            guard try current.lock(until: deadline) else { throw .busy(path: folder.current) }
            guard try current.hasItsName() else { continue }
            var seen: Set<ino_t> = []
            let inode = try current.status().st_ino
            for path in try folder.numbers().map(folder.moved) + [folder.current] {
                guard let file = try AuditFile.openForReading(path) else { continue }
                let status = try file.status()
                // A rotation that a crash ended left one file with two names.
                let isTwice = path != folder.current && status.st_ino == inode
                guard !isTwice, seen.insert(status.st_ino).inserted else { continue }
                try add(file, status)
            }
            return
        }
    }

    private mutating func add(_ file: borrowing AuditFile, _ status: stat) throws(AuditError) {
        let descriptor = fcntl(file.descriptor, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else { throw AuditError(errno, file.path) }
        files.append(File(path: file.path, descriptor: descriptor, count: Int(status.st_size)))
    }

    deinit { for file in files { close(file.descriptor) } }
}

extension AuditSnapshot.File {
    private static let pieceCount = 1 << 20

    /// Calls `body` with each line, its number in the file from 1, and whether it has its newline, until that
    /// answers false. A line longer than any of ours comes in pieces.
    func forEachLine(
        _ body: (RawSpan, Int, Bool) throws(AuditError) -> Bool
    ) throws(AuditError) {
        var place = 0
        var number = 0
        // read(2), and not a mapping: a file that is cut meanwhile must not end the program.
        var buffer = [UInt8](repeating: 0, count: min(Self.pieceCount, count))
        while place < count {
            let got = try read(place..<min(place + Self.pieceCount, count), into: &buffer)
            guard got > 0 else { return }
            var goesOn = true
            let span = unsafe buffer.span.bytes.extracting(0..<got)
            let used = try Store.forEachLine(of: span) { line, _ throws(AuditError) in
                number += 1
                goesOn = try body(line, number, true)
                return goesOn
            }
            guard goesOn else { return }
            if used == 0 || (place + got >= count && used < got) {
                number += 1
                guard try body(span.extracting(used..<got), number, false) else { return }
                place += got
            } else {
                place += used
            }
        }
    }

    /// - Returns: how many bytes there were: fewer if the file was cut while it is read.
    func read(_ range: Range<Int>, into buffer: inout [UInt8]) throws(AuditError) -> Int {
        while true {
            let got = unsafe pread(descriptor, &buffer, range.count, range.lowerBound)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw AuditError(errno, path) }
            return got
        }
    }
}

/// Reads the log as it is, without a key: nothing that it says is verified.
package struct AuditReader: Sendable {
    let folder: AuditFolder
    package init(at path: String) { folder = AuditFolder(path: path) }

    /// Calls `body` with each line from the oldest, until it answers false.
    ///
    /// - Parameter body: gets the line's text, and its parts; nil where it is not a line of ours.
    /// - Returns: whether there is an `audit.log`; if not, its lines are missing behind the last.
    /// - Throws: `.missing` where there is no file of a log at all.
    @discardableResult
    package func forEach(
        _ body: (_ file: String, _ number: Int, [UInt8], AuditRecord?) -> Bool
    ) throws(AuditError) -> Bool {
        let snapshot = try AuditSnapshot(folder, until: deadline())
        guard !snapshot.files.isEmpty else { throw .missing(path: folder.current) }
        var goesOn = true
        for file in snapshot.files where goesOn {
            try file.forEachLine { line, number, _ throws(AuditError) in
                let bytes = (0..<line.byteCount).map { line.byte(at: $0) }
                goesOn = body(file.name, number, bytes, AuditRecord(bytes))
                return goesOn
            }
        }
        return !snapshot.lacksCurrent
    }

    func deadline() -> UInt64 { linuxDeadline() }

    /// Calls `body` with each whole line that is written from now on, until it answers false.
    ///
    /// - Parameter sequence: lines up to this one were seen already.
    package func follow(after sequence: UInt64, _ body: ([UInt8], AuditRecord?) -> Bool) throws(AuditError) {
        var last = sequence
        while true {
            var goesOn = true
            // Only the files that may have something new: the present one, and what it was a moment ago.
            let snapshot = try AuditSnapshot(folder, until: deadline())
            for file in snapshot.files.suffix(2) where goesOn {
                try file.forEachLine { line, _, isWhole throws(AuditError) in
                    guard isWhole, let outline = AuditOutline(line), outline.sequence > last else {
                        return true
                    }
                    last = outline.sequence
                    let bytes = (0..<line.byteCount).map { line.byte(at: $0) }
                    goesOn = body(bytes, AuditRecord(bytes))
                    return goesOn
                }
            }
            guard goesOn else { return }
            pause(milliseconds: 250)
        }
    }
}
