internal import CLinux
internal import Glibc
import Secrets

/// One open file of the audit log. Closing it lets go of its lock.
struct AuditFile: ~Copyable {
    let path: String
    let descriptor: Int32

    /// The file that has the name `path` now, for appending; nil if there is none.
    ///
    /// A file that was removed, replaced or put behind a read-only mount is noticed with the next line: it is opened
    /// by its name each time, or looked up by it (`KeptAuditFile`).
    static func openForAppending(_ path: String) throws(AuditError) -> AuditFile? {
        let descriptor = unsafe open(path, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT { return nil }
        return try AuditFile.checked(path, descriptor)
    }

    static func openForReading(_ path: String) throws(AuditError) -> AuditFile? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        if descriptor < 0, errno == ENOENT { return nil }
        return try AuditFile.checked(path, descriptor)
    }

    static func create(_ path: String) throws(AuditError) -> AuditFile {
        try .checked(path, unsafe open(path, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
    }

    private init(_ path: String, _ descriptor: Int32) {
        self.path = path
        self.descriptor = descriptor
    }

    private static func checked(_ path: String, _ descriptor: Int32) throws(AuditError) -> AuditFile {
        guard descriptor >= 0 else { throw AuditError(errno, path) }
        let file = AuditFile(path, descriptor)
        guard try file.status().st_mode & S_IFMT == S_IFREG else {
            throw .unavailable(path: path, reason: "it is not a regular file")
        }
        return file
    }

    deinit { close(descriptor) }

    borrowing func status() throws(AuditError) -> stat {
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw AuditError(errno, path) }
        return status
    }

    /// Whether its name still leads to it.
    borrowing func hasItsName() throws(AuditError) -> Bool { isNamed(try status()) }

    private borrowing func isNamed(_ mine: stat) -> Bool {
        var named = stat()
        guard unsafe lstat(path, &named) == 0 else { return false }
        return named.st_ino == mine.st_ino && named.st_dev == mine.st_dev
    }

    /// Takes the lock of the log: that on the file of its present name.
    ///
    /// - Parameter deadline: monotonic, in nanoseconds; 0: does not wait.
    /// - Returns: false if somebody else has it.
    borrowing func lock(until deadline: UInt64) throws(AuditError) -> Bool {
        var pause: UInt32 = 50
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw AuditError(errno, path) }
            guard linux_monotonic_nanoseconds() < deadline else { return false }
            usleep(pause)
            pause = min(pause * 2, 5000)
        }
        return true
    }

    borrowing func unlock() { flock(descriptor, LOCK_UN) }

    /// Appends all of `bytes`, or nothing.
    ///
    /// - Parameter end: how long the file is.
    borrowing func append(_ bytes: [UInt8], at end: Int) throws(AuditError) {
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe write(descriptor, bytes.baseAddress.map { unsafe $0 + written }, bytes.count - written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                let reason = AuditError(count < 0 ? errno : ENOSPC, path)
                // Where even this fails, half a line stays, which the next writer mends.
                if written > 0 { ftruncate(descriptor, end) }
                throw reason
            }
            written += count
        }
    }

    /// The bytes of `range`; fewer where the file ends before.
    borrowing func read(_ range: Range<Int>) throws(AuditError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        var used = 0
        while used < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { bytes in
                unsafe pread(
                    descriptor, bytes.baseAddress.map { unsafe $0 + used }, bytes.count - used,
                    range.lowerBound + used)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw AuditError(errno, path) }
            if count == 0 { break }
            used += count
        }
        bytes.removeLast(bytes.count - used)
        return bytes
    }

    /// Everything that was written to it, by anybody, survives a power cut.
    borrowing func sync() throws(AuditError) {
        guard fdatasync(descriptor) == 0 else { throw AuditError(errno, path) }
    }
}

extension AuditError {
    init(_ number: Int32, _ path: String) {
        switch number {
        case ENOSPC, EDQUOT: self = .full(path: path)
        case EROFS: self = .readOnly(path: path)
        default: self = .unavailable(path: path, reason: unsafe String(cString: strerror(number)))
        }
    }
}

/// The names of the files in a folder: `audit.log`, and `audit.log.1`, `audit.log.2` … from newer to older.
struct AuditFolder: Sendable {
    let path: String

    var current: String { path + "/audit.log" }
    func moved(_ number: Int) -> String { "\(current).\(number)" }

    /// The numbers of moved files, from the oldest.
    func numbers() throws(AuditError) -> [Int] {
        guard let directory = unsafe opendir(path) else { throw AuditError(errno, path) }
        defer { unsafe closedir(directory) }
        var numbers: [Int] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) {
                unsafe Array($0.prefix { $0 != 0 })
            }
            let prefix = Array("audit.log.".utf8)
            guard name.starts(with: prefix) else { continue }
            let text = String(decoding: name.dropFirst(prefix.count), as: UTF8.self)
            if let number = Int(text), number > 0, String(number) == text { numbers.append(number) }
        }
        return numbers.sorted(by: >)
    }

    /// Makes new names survive a power cut.
    func sync() throws(AuditError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw AuditError(errno, path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw AuditError(errno, path) }
    }
}
