package import CLinux
import Glibc

/// open(2), pipe(2) and access(2) on paths of ours, close-on-exec.
package enum Files {
    /// - Returns: -1 with errno set if it cannot be opened.
    package static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) -> Int32 {
        unsafe Glibc.open(path, flags | O_CLOEXEC, mode)
    }

    package static func pipe() throws(Failure) -> (reader: OwnedDescriptor, writer: OwnedDescriptor) {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe2(&ends, O_CLOEXEC) == 0 else { throw Failure(.system, "no pipe: \(errnoText())") }
        return (OwnedDescriptor(ends[0]), OwnedDescriptor(ends[1]))
    }

    /// A log that lines are appended to, made if there is none.
    ///
    /// - Returns: -1 with errno set; ENOTSUP if something else is in its place.
    package static func openLog(_ path: String) -> Int32 {
        // Without O_NONBLOCK, a pipe would hold us for ever.
        let log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, mode: 0o600)
        guard log >= 0 else { return -1 }
        var found = stat()
        guard unsafe fstat(log, &found) == 0, found.st_mode & S_IFMT == S_IFREG, found.st_nlink == 1 else {
            close(log)
            errno = ENOTSUP
            return -1
        }
        return log
    }

    package static func exists(_ path: String) -> Bool { unsafe access(path, F_OK) == 0 }
    package static func isExecutable(_ path: String) -> Bool { unsafe access(path, X_OK) == 0 }

    /// Of the file itself, not of where a link leads; nil if there is none.
    package static func status(_ path: String) -> stat? {
        var status = stat()
        return unsafe lstat(path, &status) == 0 ? status : nil
    }

    /// Of what a link leads to; nil if there is nothing.
    package static func target(_ path: String) -> stat? {
        var status = stat()
        return unsafe stat(path, &status) == 0 ? status : nil
    }

    package static func limit(_ resource: __rlimit_resource) -> rlimit {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(resource.rawValue), &limit)
        return limit
    }
}
