import CLinux
import Glibc

extension Mounting {
    /// Unmounts what is mounted of ours at `path`, whether or not it is still served, and ends it in every mount
    /// namespace that has a copy: a sandbox, or a process that made one to keep it.
    ///
    /// - Parameter lazily: instead of `.busy`, hide it at once here; it ends when nobody anywhere uses it any more.
    package static func unmount(_ path: String, lazily: Bool = false) throws(UnmountError) {
        let place = absolute(path)
        let table: MountTable
        do { table = try MountTable.current() } catch {
            throw .system(call: "read /proc/self/mountinfo", errno: error.errno)
        }
        guard let entry = table.top(at: place), entry.type == MountTable.ourType else {
            throw .notMounted(place)
        }
        if lazily { return try detach(entry) }
        // Opened first: once the connection is over, its number may be another's, and this descriptor is nobody's.
        let abort = abortFile(of: entry)
        defer { if abort >= 0 { close(abort) } }
        try unmountUnused(entry)
        if abort >= 0 { _ = unsafe write(abort, "1", 1) }
    }

    /// What a byte ends the connection by, everywhere; -1 if there is none for us. Many containers and small systems
    /// have not mounted fusectl.
    private static func abortFile(of entry: MountEntry) -> Int32 {
        let file = unsafe open("/sys/fs/fuse/connections/\(entry.minor)/abort", O_WRONLY | O_CLOEXEC)
        guard file < 0 else { return file }
        let root = linux_fuse_control()
        guard root >= 0 else { return -1 }
        defer { close(root) }
        return unsafe openat(root, "\(entry.minor)/abort", O_WRONLY | O_CLOEXEC)
    }

    /// Hides one of our mounts at once: this one, whatever its path leads to by now. Who owns a directory above a
    /// mount point can put another in its place while we look.
    package static func detach(_ entry: MountEntry) throws(UnmountError) {
        let handle = unsafe open(entry.point, Int32(linux_path_only) | O_NOFOLLOW | O_CLOEXEC)
        guard handle >= 0 else { throw failure(errno, entry) }
        defer { close(handle) }
        guard (try? mountNumber(of: handle)) == entry.id else { throw .notMounted(entry.point) }
        guard unsafe umount2("/proc/self/fd/\(handle)", Int32(linux_mnt_detach)) != 0 else { return }
        guard errno == EPERM else { throw failure(errno, entry) }
        try FuseHelper.unmount(entry.point, lazily: true)
    }

    /// Not by a descriptor of the mount, which would be a use of it, but by its name in the directory that is
    /// there now.
    private static func unmountUnused(_ entry: MountEntry) throws(UnmountError) {
        let name = entry.point.split(separator: "/").last.map(String.init) ?? ""
        let above = String(entry.point.dropLast(name.count))
        let directory = unsafe open(above, Int32(linux_path_only) | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw failure(errno, entry) }
        defer { close(directory) }
        let handle = unsafe openat(directory, name, Int32(linux_path_only) | O_NOFOLLOW | O_CLOEXEC)
        guard handle >= 0 else { throw failure(errno, entry) }
        let number = try? mountNumber(of: handle)
        close(handle)
        guard number == entry.id else { throw .notMounted(entry.point) }
        guard unsafe umount2("/proc/self/fd/\(directory)/\(name)", Int32(linux_umount_nofollow)) != 0 else {
            return
        }
        guard errno == EPERM else { throw failure(errno, entry) }
        try FuseHelper.unmount(entry.point, lazily: false)
    }

    private static func failure(_ number: Int32, _ entry: MountEntry) -> UnmountError {
        switch number {
        case EBUSY: .busy(entry.point)
        case EINVAL, ENOENT, ENOTDIR, ELOOP: .notMounted(entry.point)
        default: .system(call: "unmount \(entry.point)", errno: number)
        }
    }

    /// Resolves all but the last part of `path`: looking at a mount point itself would ask its server, which
    /// may be gone.
    private static func absolute(_ path: String) -> String {
        var path = path
        while path.count > 1, path.hasSuffix("/") { path.removeLast() }
        let name = path.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? ""
        // The kernel knows itself that a mount point is no link, and asks no server for that.
        var target: [CChar] = [0]
        let isLink = unsafe readlink(path, &target, 1) >= 0
        guard name != ".", name != "..", !name.isEmpty, !isLink else { return resolved(path) ?? path }
        let parent = String(path.dropLast(name.count))
        guard let directory = resolved(parent.isEmpty ? "." : parent) else { return path }
        return directory == "/" ? "/" + name : directory + "/" + name
    }

    private static func resolved(_ path: String) -> String? {
        guard let text = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }
}
