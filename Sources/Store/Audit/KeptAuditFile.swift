internal import CLinux
internal import Glibc
import Secrets

/// The audit log's file, kept open from line to line by who writes many: opening and closing it costs as much as the
/// line. Each time its name must still lead to it, through the mount through which it was opened, and it must end
/// where this process left it.
struct KeptAuditFile: ~Copyable {
    let file: AuditFile
    private let place: linux_file_place

    /// - Returns: nil if the file of the name `path` is not the one in which `tail` is, or the kernel does not tell mounts
    ///   apart.
    init?(_ path: String, of tail: AuditTail) throws(AuditError) {
        guard let file = try AuditFile.openForAppending(path), tail.isOf(try file.status()),
            let place = Self.place("", in: file.descriptor)
        else { return nil }
        self.file = file
        self.place = place
    }

    /// Takes the lock without waiting.
    ///
    /// - Returns: false if another has the lock, or it is not the file of its name any more, or does not end at `tail`: whatever it is, it
    ///   takes longer to find out, and this is to be closed.
    borrowing func lockAtOnce(endingAt tail: AuditTail) throws(AuditError) -> Bool {
        guard try file.lock(until: 0), let now = Self.place(file.path, in: AT_FDCWD) else { return false }
        return now.device == place.device && now.inode == place.inode && now.mount == place.mount
            && now.count == UInt64(tail.end)
    }

    private static func place(_ name: String, in directory: Int32) -> linux_file_place? {
        var place = linux_file_place()
        return unsafe linux_file_place(directory, name, &place) == 0 ? place : nil
    }
}

extension AuditLog.State {
    /// The file that was kept, or the one of the name `path`; nil if that is not the one in which `tail` is.
    mutating func takeFile(_ path: String, of tail: AuditTail) throws(AuditError) -> KeptAuditFile? {
        if let kept = kept.take() { return kept }
        return try KeptAuditFile(path, of: tail)
    }
}
