import CLinux
import Glibc

/// How a connection gets from a process that is not trusted to one that serves it, without any descriptor of the former
/// being taken.
///
/// Such a descriptor could be of anything. Closing a file of a file system that its sender serves waits for an answer
/// (FUSE_FLUSH) that no signal ends: a process that took it might never be able to end. And whoever keeps the open file
/// of a descriptor can change its flags: without O_NONBLOCK, a read of ours would wait for ever, and with it all mounts
/// of that worker. So the server opens the device and lends it (`open`), the other side makes it one of its connection
/// (`attach`), and what the server then serves is a third, which nobody else has ever had (`make`).
package enum DeviceCopy {
    package enum Failure: Error, Equatable {
        /// Nothing is mounted on it. Also where the kernel makes no copy for another user namespace.
        case notMounted
        /// This process may not open the device, or there is none.
        case notPermitted(errno: Int32)
    }

    /// An open device without a connection, close-on-exec, to be lent.
    package static func open() throws(Failure) -> Int32 {
        let device = unsafe Glibc.open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK)
        guard device >= 0 else { throw .notPermitted(errno: errno) }
        guard linux_is_fuse_device(device) != 0 else {
            close(device)
            throw .notPermitted(errno: ENODEV)
        }
        return device
    }

    /// Makes the borrowed `device` one of the connection of `descriptor`.
    package static func attach(_ device: Int32, to descriptor: Int32) throws(Failure) {
        guard linux_is_fuse_device(device) != 0, linux_clone_fuse_device(device, descriptor) == 0 else {
            throw .notMounted
        }
    }

    /// A descriptor of this process's own on the connection that `device`, which was lent, was attached to.
    package static func make(of device: Int32) throws(Failure) -> Int32 {
        let copy = try open()
        guard linux_clone_fuse_device(copy, device) == 0 else {
            close(copy)
            throw .notMounted
        }
        return copy
    }
}
