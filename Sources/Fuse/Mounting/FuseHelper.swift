import CLinux
import Glibc

/// `fusermount3`, the set-user-id program that mounts for users without privileges.
enum FuseHelper {
    /// Mounts at `path`; the helper sends the descriptor over a socket that `_FUSE_COMMFD` names, and with
    /// `auto_unmount` stays until that socket is closed.
    ///
    /// - Parameter isWatched: whether it stays.
    /// - Returns: nil if there is no fusermount3.
    static func mount(
        at path: String, allowOthers: Bool, _ access: MountAccess, isWatched: Bool
    ) throws(MountError) -> Mounted? {
        var options =
            "\(access == .readOnly ? "ro" : "rw"),nosuid,nodev,noexec,default_permissions,fsname=secretfs,subtype=secretfs"
        if allowOthers { options += ",allow_other" }
        if isWatched { options += ",auto_unmount" }
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw .system(call: "socketpair", errno: errno)
        }
        let helper: HelperProcess
        do {
            helper = try HelperProcess(["-o", options, "--", path], socket: ends[1])
        } catch {
            close(ends[0])
            close(ends[1])
            guard error.errno != ENOENT else { return nil }
            throw .system(call: "start fusermount3", errno: error.errno)
        }
        close(ends[1])
        guard let frame = try? DescriptorPassing.receive(upTo: 1, over: ends[0]), frame.descriptors.count == 1
        else {
            close(ends[0])
            let message = helper.waitForMessage()
            // It opens the device as the user, so this is about the device's mode.
            let isDevice = message.contains("/dev/fuse") && message.contains("Permission denied")
            if isDevice { throw .deviceNotPermitted }
            // Its words for a directory that is another user's.
            let isPoint = message.contains("no write access") || message.contains("not owned by user")
            throw isPoint ? .pointNotPermitted(path) : .helperRefused(message)
        }
        guard isWatched else {
            close(ends[0])
            _ = helper.waitForMessage()
            return Mounted(path: path, descriptor: frame.descriptors[0], keeper: nil)
        }
        return Mounted(path: path, descriptor: frame.descriptors[0], keeper: ends[0])
    }

    static func unmount(_ path: String, lazily: Bool) throws(UnmountError) {
        let helper: HelperProcess
        do {
            helper = try HelperProcess(["-u"] + (lazily ? ["-z"] : []) + ["--", path], socket: nil)
        } catch {
            throw error.errno == ENOENT
                ? .notPermitted(path) : .system(call: "start fusermount3", errno: error.errno)
        }
        let message = helper.waitForMessage()
        guard helper.hasFailed else { return }
        if message.contains("busy") { throw .busy(path) }
        // Its words for a mount that another user made; that there is one is known here.
        throw message.contains("not found in") ? .notPermitted(path) : .helperRefused(message)
    }
}
