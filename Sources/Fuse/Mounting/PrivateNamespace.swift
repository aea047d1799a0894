import CLinux
import Glibc

/// A mount namespace of this process's own: what it mounts from here on, only it and its children see, and
/// the kernel unmounts it with the last of them.
package enum PrivateNamespace {
    package enum Failure: Error, Equatable {
        /// User namespaces are closed to this user (kernel.unprivileged_userns_clone, user.max_user_namespaces,
        /// AppArmor, or the container's seccomp rules).
        case userNamespacesNotPermitted(errno: Int32)
        /// The process already has a second thread.
        case severalThreads
        case system(call: String, errno: Int32)
    }

    /// Enters it; for a user without CAP_SYS_ADMIN in a user namespace in which the user keeps its uid and gid
    /// and its other groups have no name.
    ///
    /// Call it before any thread is started.
    package static func enter() throws(Failure) {
        if linux_unshare(Int32(linux_clone_newns)) != 0 {
            guard errno == EPERM else { throw .system(call: "unshare", errno: errno) }
            try enterUserNamespace()
        }
        // What is mounted outside still comes in; what is mounted here does not go out.
        let flags = UInt(MS_REC | MS_SLAVE)
        guard unsafe Glibc.mount("none", "/", nil, flags, nil) == 0 else {
            throw .system(call: "make / a slave mount", errno: errno)
        }
    }

    private static func enterUserNamespace() throws(Failure) {
        let (uid, gid) = (getuid(), getgid())
        let flags = Int32(linux_clone_newuser) | Int32(linux_clone_newns)
        guard linux_unshare(flags) == 0 else {
            throw errno == EINVAL ? .severalThreads : .userNamespacesNotPermitted(errno: errno)
        }
        // The kernel demands it before an unprivileged gid map: dropping a group could open a file.
        try write("deny", to: "/proc/self/setgroups")
        try write("\(uid) \(uid) 1\n", to: "/proc/self/uid_map")
        try write("\(gid) \(gid) 1\n", to: "/proc/self/gid_map")
    }

    private static func write(_ text: String, to path: String) throws(Failure) {
        let descriptor = unsafe Glibc.open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system(call: "open \(path)", errno: errno) }
        defer { close(descriptor) }
        var text = text
        let written = text.withUTF8 { bytes in unsafe Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        }
        guard written == text.utf8.count else { throw .system(call: "write \(path)", errno: errno) }
    }
}
