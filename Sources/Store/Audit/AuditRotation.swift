internal import CLinux
internal import Glibc
import Secrets

extension AuditLog {
    /// Begins a new file that goes on from the last line of the present one, which becomes `audit.log.1`. At every
    /// moment, also in a crash, there is an `audit.log`.
    func rotate() throws(AuditError) {
        _ = try withFile { file, state throws(AuditError) in
            try file.sync()
            var link = state.known
            let name = folder.draftName()
            let new = try folder.draft(
                name, [AuditEvent(.logBegin, by: .thisProcess)], following: &link, state.mac)
            do throws(AuditError) { try replace(file, by: name) } catch {
                unsafe unlink(name)
                throw error
            }
            state.known = link
            state.tail = try AuditTail(new, end: Int(new.status().st_size), link: link)
        }
    }

    private func replace(_ file: borrowing AuditFile, by name: String) throws(AuditError) {
        try makeRoom(for: file)
        guard unsafe link(folder.current, folder.moved(1)) == 0, unsafe rename(name, folder.current) == 0
        else {
            throw AuditError(errno, folder.current)
        }
        try folder.sync()
    }

    /// Moves `audit.log.1` and those behind it one further.
    private func makeRoom(for file: borrowing AuditFile) throws(AuditError) {
        let mine = try file.status()
        var moved = stat()
        // What a rotation left that did not come to its end.
        if unsafe lstat(folder.moved(1), &moved) == 0, moved.st_ino == mine.st_ino,
            moved.st_dev == mine.st_dev
        {
            guard unsafe unlink(folder.moved(1)) == 0 else { throw AuditError(errno, folder.moved(1)) }
        }
        let taken = Set(try folder.numbers())
        var free = 1
        while taken.contains(free) { free += 1 }
        for number in stride(from: free - 1, through: 1, by: -1) {
            guard unsafe rename(folder.moved(number), folder.moved(number + 1)) == 0 else {
                throw AuditError(errno, folder.moved(number))
            }
        }
    }

    /// The number of the first line in the oldest of the `kept` files.
    ///
    /// A stranger's file, and a copy of one of ours, is no reason to give one of ours up: files count by the number that
    /// their first line has, if it is a line of ours.
    ///
    /// - Returns: nil if there are no older files.
    func firstSequence(keeping kept: Int) throws(AuditError) -> UInt64? {
        var first: UInt64?
        _ = try withFile { _, state throws(AuditError) in
            guard let present = try firstSequence(of: folder.current, state.mac) else { return }
            var begins: Set<UInt64> = []
            for number in try folder.numbers() {
                let begin = try firstSequence(of: folder.moved(number), state.mac)
                if let begin, begin < present { begins.insert(begin) }
            }
            guard begins.count > kept else { return }
            first = begins.sorted().suffix(kept).first ?? present
        }
        return first
    }

    /// Deletes the files whose lines all come before line `first`.
    func deleteFiles(before first: UInt64) throws(AuditError) {
        _ = try withFile { _, state throws(AuditError) in
            for number in try folder.numbers() {
                let path = folder.moved(number)
                // Its lines end where those of the next file begin; and `first` begins a file.
                guard let begin = try firstSequence(of: path, state.mac), begin < first else { continue }
                guard unsafe unlink(path) == 0 else { throw AuditError(errno, path) }
            }
            try folder.sync()
        }
    }

    /// The number of the line that a file begins with; nil if none of ours does.
    private func firstSequence(of path: String, _ mac: borrowing AuditMAC) throws(AuditError) -> UInt64? {
        guard let file = try AuditFile.openForReading(path) else { return nil }
        let bytes = try file.read(0..<min(Int(file.status().st_size), 64 << 10))
        var sequence: UInt64?
        try forEachLine(of: unsafe bytes.span.bytes) { line, _ throws(AuditError) in
            guard let outline = AuditOutline(line), let previous = outline.after else { return false }
            let isOurs = try checked(path) { () throws(SealError) in
                try outline.isAuthentic(line, after: previous, mac)
            }
            sequence = isOurs ? outline.sequence : nil
            return false
        }
        return sequence
    }
}
