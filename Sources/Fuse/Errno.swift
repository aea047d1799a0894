import Glibc

extension Refusal {
    /// What the kernel is told. The only place where a refusal becomes an errno.
    package var errno: Int32 {
        switch self {
        case .notFound: ENOENT
        case .denied: EACCES
        case .readOnly: EROFS
        case .stale: ESTALE
        case .damaged, .unaudited, .unread, .awaited: EIO
        // As files of fscrypt have it whose key was taken away.
        case .sealed: ENOKEY
        case .tooLarge: EFBIG
        case .noMemory: ENOMEM
        case .noAttribute: ENODATA
        case .isDirectory: EISDIR
        case .notDirectory: ENOTDIR
        case .notSupported: ENOTSUP
        case .invalid: EINVAL
        case .exists: EEXIST
        case .notEmpty: ENOTEMPTY
        case .notPermitted: EPERM
        case .full: ENOSPC
        case .busy: EBUSY
        case .elsewhere: EXDEV
        }
    }
}
