import Glibc

/// Why nothing was mounted. Nothing is left behind.
package enum MountError: Error, Equatable {
    /// There is no /dev/fuse: the kernel module is not loaded, or the container does not show it.
    case deviceMissing
    /// What is called /dev/fuse is another device, or a file.
    case deviceForeign
    /// /dev/fuse may not be opened: its mode, or the container's device rules.
    case deviceNotPermitted
    case pointMissing(String)
    case pointNotDirectory(String)
    /// A mount would hide what is in the directory.
    case pointNotEmpty(String)
    /// Something is mounted there; `type` as in mountinfo.
    case alreadyMounted(String, type: String)
    /// The directory is in a mount of ours, whose tree it is not part of.
    case insideOurs(String, mount: String)
    case pointNotReadable(String)
    /// This user may not mount there.
    case pointNotPermitted(String)
    /// Mounting takes CAP_SYS_ADMIN, or `fusermount3` (Debian: package fuse3).
    case notPermitted
    /// `fusermount3` said no, in its own words.
    case helperRefused(String)
    case system(call: String, errno: Int32)
}

extension MountError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .deviceMissing: "/dev/fuse does not exist"
        case .deviceForeign: "/dev/fuse is not the FUSE device"
        case .deviceNotPermitted: "/dev/fuse may not be opened"
        case .pointMissing(let path): "\(path) does not exist"
        case .pointNotDirectory(let path): "\(path) is not a directory"
        case .pointNotEmpty(let path): "\(path) is not empty"
        case .alreadyMounted(let path, let type): "\(path) is a mount point already (\(type))"
        case .insideOurs(let path, let mount): "\(path) is inside the mount at \(mount)"
        case .pointNotReadable(let path): "\(path) cannot be read, so whether it is empty is not known"
        case .pointNotPermitted(let path):
            "mounting at \(path) is not permitted: it is not this user's to write"
        case .notPermitted: "mounting is not permitted"
        case .helperRefused(let message): "fusermount3 refused: \(message)"
        case .system(let call, let errno): "\(call): \(message(errno))"
        }
    }

    /// What to do about it.
    package var hint: String {
        switch self {
        case .deviceMissing:
            "load the module (modprobe fuse), or give the container the device (--device /dev/fuse)"
        case .deviceForeign:
            "give the container the device (--device /dev/fuse); it is character device 10:229"
        case .deviceNotPermitted:
            "check the mode of /dev/fuse (0666 is usual) and the container's device rules"
        case .pointMissing: "create the directory first"
        case .pointNotDirectory, .pointNotEmpty: "choose an empty directory"
        case .alreadyMounted(_, MountTable.ourType): "unmount it first (secretfs unmount)"
        case .alreadyMounted, .insideOurs: "choose another directory"
        case .pointNotReadable, .pointNotPermitted: "use a directory that you own"
        case .notPermitted: "run as root, or install fusermount3 (apt-get install fuse3)"
        case .helperRefused: "see fusermount3(1) and /etc/fuse.conf"
        case .system: "see the kernel log (dmesg)"
        }
    }
}

/// Why a mount is still there.
package enum UnmountError: Error, Equatable {
    /// Nothing of ours is mounted at this path.
    case notMounted(String)
    /// A process has a file open in it or works in it.
    case busy(String)
    case notPermitted(String)
    case helperRefused(String)
    case system(call: String, errno: Int32)
}

extension UnmountError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notMounted(let path): "nothing of ours is mounted at \(path)"
        case .busy(let path): "\(path) is in use"
        case .notPermitted(let path): "unmounting \(path) is not permitted"
        case .helperRefused(let message): "fusermount3 refused: \(message)"
        case .system(let call, let errno): "\(call): \(message(errno))"
        }
    }

    /// What to do about it.
    package var hint: String {
        switch self {
        case .notMounted: "secretfs mounts lists what is mounted"
        case .busy: "end the processes that use it (fuser -m shows them), or unmount lazily"
        case .notPermitted: "run as root, or as the user who mounted it"
        case .helperRefused: "see fusermount3(1)"
        case .system: "see the kernel log (dmesg)"
        }
    }
}

private func message(_ errno: Int32) -> String { unsafe String(cString: strerror(errno)) }
