import CShim

/// The system calls that the shim makes. A call that a signal interrupted is made again.
enum Kernel {
    /// Opens for reading. Neither waits at a FIFO nor takes a terminal.
    ///
    /// - Parameter directory: where a relative `path` begins; nil: the working directory.
    static func open(_ path: Text, in directory: Int32? = nil) throws(SystemError) -> Int32 {
        Int32(try repeated { shim_open(directory ?? AT_FDCWD, path.cString) })
    }

    static func openDirectory(_ path: Text) throws(SystemError) -> Int32 {
        Int32(try repeated { shim_open_directory(path.cString) })
    }

    static func close(_ file: Int32) { _ = shim_close(file) }

    /// - Parameter offset: nil: where the last read ended.
    /// - Returns: how many bytes were read, at most `count`; 0 at the end.
    static func read(
        _ file: Int32, into memory: UnsafeMutablePointer<UInt8>, count: Int, at offset: Int? = nil
    ) throws(SystemError) -> Int {
        guard let offset else { return try repeated { shim_read(file, memory, count) } }
        return try repeated { shim_read_at(file, memory, count, offset) }
    }

    static func write(_ text: Text, to file: Int32) throws(SystemError) {
        var rest = text
        while !rest.isEmpty {
            rest = rest.dropFirst(try repeated { shim_write(file, rest.start, rest.count) })
        }
    }

    /// Fills `memory` with `struct linux_dirent64`, whole ones only (getdents64(2)).
    ///
    /// - Returns: how many bytes they take; 0 at the end.
    static func list(
        _ directory: Int32, into memory: UnsafeMutablePointer<UInt8>, count: Int
    ) throws(SystemError) -> Int {
        try repeated { shim_list(directory, memory, count) }
    }

    static func status(of file: Int32) throws(SystemError) -> FileStatus {
        var status = shim_status()
        _ = try repeated { shim_file_status(file, &status) }
        return FileStatus(status)
    }

    /// - Parameter directory: where a relative `path` begins; nil: the working directory.
    static func status(of path: Text, in directory: Int32? = nil) throws(SystemError) -> FileStatus {
        var status = shim_status()
        _ = try repeated { shim_path_status(directory ?? AT_FDCWD, path.cString, &status) }
        return FileStatus(status)
    }

    /// Kind and size only, and the size may be out of date.
    static func statusHint(of file: Int32) throws(SystemError) -> FileStatus {
        var status = shim_status()
        _ = try repeated { shim_status_hint(file, &status) }
        return FileStatus(status)
    }

    static func exists(_ path: Text) -> Bool { shim_exists(path.cString) == 0 }

    /// Becomes the program at `path`, or answers why not.
    static func execute(_ path: Text, _ arguments: Arguments, _ environment: Arguments) -> SystemError {
        SystemError(code: Int32(-shim_execute(path.cString, arguments, environment)))
    }

    private static func repeated(_ call: () -> Int) throws(SystemError) -> Int {
        while true {
            let result = call()
            if result >= 0 { return result }
            if result != Int(-EINTR) { throw SystemError(code: Int32(-result)) }
        }
    }
}

/// What the kernel tells of a file or directory.
struct FileStatus {
    enum Kind { case file, directory, other }
    private let status: shim_status

    init(_ status: shim_status) { self.status = status }

    /// In bytes. A file system may tell nonsense.
    var size: Int { max(0, status.size) }
    var kind: Kind {
        switch status.mode & 0o170000 {
        case 0o100000: .file
        case 0o040000: .directory
        default: .other
        }
    }

    /// Whether nothing has happened to the file in between.
    static func == (left: FileStatus, right: FileStatus) -> Bool {
        let (left, right) = (left.status, right.status)
        return left.device == right.device && left.inode == right.inode && left.size == right.size
            && left.modified == right.modified && left.modified_nanoseconds == right.modified_nanoseconds
            && left.changed == right.changed && left.changed_nanoseconds == right.changed_nanoseconds
    }
}
