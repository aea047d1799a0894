import CLinux
import Glibc

/// A FUSE descriptor that a stranger sent.
package enum DeviceCopy {
    package enum Failure: Error, Equatable {
        /// It is something else: a file, a socket, a name of a device.
        case notADevice
        /// Nothing is mounted on it.
        case notMounted
        /// This process may not open the device.
        case notPermitted(errno: Int32)
    }

    /// A descriptor of this process's own on the connection of `descriptor`, close-on-exec.
    ///
    /// The stranger keeps the open file that was sent and can change its flags: without O_NONBLOCK, a read of ours would
    /// wait for ever, and with it all mounts of that worker. What is opened here has flags that nobody else reaches.
    /// What is left to the stranger is the connection itself, whose requests they may read, answer or abort: those of
    /// their own mount.
    ///
    /// - Parameter descriptor: anything at all; stays the caller's.
    package static func make(of descriptor: Int32) throws(Failure) -> Int32 {
        guard linux_is_open_fuse_device(descriptor) != 0 else { throw .notADevice }
        // The same device file: this process may see no /dev/fuse, as under systemd's PrivateDevices.
        let copy = unsafe Glibc.open("/proc/self/fd/\(descriptor)", O_RDWR | O_CLOEXEC | O_NONBLOCK)
        guard copy >= 0 else { throw .notPermitted(errno: errno) }
        guard linux_clone_fuse_device(copy, descriptor) == 0 else {
            close(copy)
            throw .notMounted
        }
        return copy
    }
}
