import CFuse
import CLinux
import Glibc

/// `node` as `stat(2)` shows it.
func stat(_ node: Node) -> Glibc.stat {
    var status = Glibc.stat()
    status.st_ino = UInt(node.id.rawValue)
    status.st_mode = node.kind.modeBits | UInt32(node.permissions & 0o777)
    status.st_nlink = node.kind == .directory ? 2 : 1
    status.st_uid = node.uid
    status.st_gid = node.gid
    status.st_size = Int(clamping: node.size)
    status.st_blksize = 4096
    status.st_blocks = Int(clamping: node.size / 512 + (node.size % 512 == 0 ? 0 : 1))
    let time = timespec(tv_sec: Int(node.modified.seconds), tv_nsec: Int(node.modified.nanoseconds))
    status.st_mtim = time
    status.st_ctim = time
    status.st_atim = time
    return status
}

extension Node.Kind {
    /// The file type bits of `st_mode`.
    var modeBits: UInt32 {
        switch self {
        case .directory: UInt32(Glibc.S_IFDIR)
        case .file: UInt32(Glibc.S_IFREG)
        }
    }
}

extension Readiness {
    /// What `poll(2)` returns.
    var events: Int32 {
        switch self {
        case .quiet: 0
        case .readable: POLLIN | Int32(POLLRDNORM)
        case .changed: POLLIN | Int32(POLLRDNORM) | POLLPRI
        }
    }
}

extension statvfs {
    /// No block is free and no file can be made: what `df` shows of a tree that only its server changes.
    static var readOnlyTree: statvfs {
        var status = statvfs()
        status.f_bsize = 4096
        status.f_frsize = 4096
        status.f_namemax = 255
        status.f_flag = UInt(ST_RDONLY)
        return status
    }

    /// Room as far as anybody asks before writing: what storage has is told when it is written.
    static var writableTree: statvfs {
        var status = statvfs()
        status.f_bsize = 4096
        status.f_frsize = 4096
        status.f_namemax = 255
        status.f_blocks = 1 << 20
        status.f_bfree = 1 << 20
        status.f_bavail = 1 << 20
        status.f_files = 1 << 20
        status.f_ffree = 1 << 20
        status.f_favail = 1 << 20
        return status
    }
}
