import CLinux
import Glibc

/// A mount that waits for its server: what the kernel asks comes from `descriptor`.
package struct Mounted: Sendable {
    /// Where it is, absolute and without symbolic links.
    package let path: String
    /// A /dev/fuse descriptor, close-on-exec. Whoever serves it owns it; closing the last copy kills the mount.
    package let descriptor: Int32
    /// Only of a mount by fusermount3: keep it open as long as the mount is served. When its last copy is
    /// closed, by death too, and nobody serves the mount any more, fusermount3 unmounts it, from libfuse 3.15
    /// on. Before that it does not see that the mount is dead unless others are allowed in (libfuse issue 586),
    /// and a dead mount stays until it is unmounted.
    package let keeper: Int32?
}

package enum MountAccess: Sendable {
    case readOnly
    case writable
}

/// Mounts, in the mount namespace of the process that calls.
package enum Mounting {
    /// Mounts at `path`, an existing empty directory, with mount(2), or with fusermount3 if that is
    /// not permitted. Nothing is answered until a server reads the descriptor.
    ///
    /// - Parameter allowOthers: let other users in, as far as modes permit; unprivileged only if
    ///   /etc/fuse.conf has `user_allow_other`.
    /// - Parameter access: whether the kernel lets changes through.
    /// - Parameter isWatched: whether fusermount3 stays to unmount it; `Mounted.keeper`.
    package static func mount(
        at path: String, allowOthers: Bool, access: MountAccess = .readOnly, isWatched: Bool = true
    ) throws(MountError) -> Mounted {
        let point = try MountPoint(opening: path)
        try point.check()
        do {
            let descriptor = try mountDirectly(point, allowOthers, access)
            return Mounted(path: point.path, descriptor: descriptor, keeper: nil)
        } catch {
            guard error == .notPermitted || error == .deviceNotPermitted else { throw error }
            let mounted = try FuseHelper.mount(
                at: point.path, allowOthers: allowOthers, access, isWatched: isWatched)
            guard let mounted else { throw error }
            return mounted
        }
    }

    private static func openDevice() throws(MountError) -> Int32 {
        let descriptor = unsafe Glibc.open("/dev/fuse", O_RDWR | O_CLOEXEC)
        if descriptor >= 0 {
            // Of any other device or file, mount(2) says only EINVAL.
            if linux_is_fuse_device(descriptor) != 0 { return descriptor }
            close(descriptor)
            throw .deviceForeign
        }
        switch errno {
        case ENOENT, ENODEV, ENXIO: throw .deviceMissing
        case EACCES, EPERM: throw .deviceNotPermitted
        default: throw .system(call: "open /dev/fuse", errno: errno)
        }
    }

    /// - Returns: the descriptor that the mount's requests come from.
    private static func mountDirectly(
        _ point: borrowing MountPoint, _ allowOthers: Bool, _ access: MountAccess
    ) throws(MountError) -> Int32 {
        let descriptor = try openDevice()
        // rootmode is octal. The kernel checks permissions by mode, uid and gid: no request of ours per access.
        var options =
            "fd=\(descriptor),rootmode=40000,user_id=\(getuid()),group_id=\(getgid()),default_permissions"
        if allowOthers { options += ",allow_other" }
        var flags = UInt(MS_NOSUID | MS_NODEV | MS_NOEXEC)
        if access == .readOnly { flags |= UInt(MS_RDONLY) }
        let result = unsafe options.withCString { options in
            unsafe Glibc.mount("secretfs", point.handlePath, MountTable.ourType, flags, options)
        }
        guard result != 0 else { return descriptor }
        let failure = errno
        close(descriptor)
        switch failure {
        case EPERM: throw .notPermitted
        case ENODEV: throw .deviceMissing
        default: throw .system(call: "mount \(point.path)", errno: failure)
        }
    }
}
