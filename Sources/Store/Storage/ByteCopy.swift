import CLinux
import Glibc

/// Copies the bytes of files and pipes, which are sealed.
enum ByteCopy {
    private static let bufferCount = 1 << 20

    /// Writes what `source` gives up to its end into the empty file at `path`, durably.
    ///
    /// - Parameter name: what messages call the source.
    static func copy(
        _ source: Int32, named name: String, toFile path: String, onProgress: (Progress) -> Bool
    ) throws(StorageError) {
        let target = unsafe open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC)
        guard target >= 0 else { throw .system(errno, path) }
        defer { close(target) }
        try copy((source, name), (target, path), onProgress)
        guard fsync(target) == 0 else { throw .system(errno, path) }
    }

    /// Writes all of the file at `path` to `target`.
    static func copy(
        file path: String, to target: Int32, named name: String, onProgress: (Progress) -> Bool
    ) throws(StorageError) {
        let source = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC)
        guard source >= 0 else { throw .system(errno, path) }
        defer { close(source) }
        try copy((source, path), (target, name), onProgress)
    }

    private static func copy(
        _ source: (Int32, String), _ target: (Int32, String), _ onProgress: (Progress) -> Bool
    ) throws(StorageError) {
        var buffer = [UInt8](repeating: 0, count: bufferCount)
        var done = 0
        let total = count(of: source.0)
        while true {
            // A pipe may be silent for long, and whoever waits for it may want to end it.
            var waiting = pollfd(fd: source.0, events: Int16(POLLIN), revents: 0)
            while unsafe poll(&waiting, 1, 200) == 0 {
                guard onProgress(Progress(done: done, total: max(total, done))) else { throw .cancelled }
            }
            let got = unsafe read(source.0, &buffer, buffer.count)
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw .system(errno, source.1) }
            guard got > 0 else { return }
            try write(buffer[..<got], to: target)
            done += got
            guard onProgress(Progress(done: done, total: max(total, done))) else { throw .cancelled }
        }
    }

    private static func write(_ bytes: ArraySlice<UInt8>, to target: (Int32, String)) throws(StorageError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = unsafe rest.withUnsafeBytes {
                unsafe Glibc.write(target.0, $0.baseAddress, $0.count)
            }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else { throw .system(errno, target.1) }
            rest = rest.dropFirst(written)
        }
    }

    /// 0 for what has no size of its own.
    private static func count(of descriptor: Int32) -> Int {
        var status = stat()
        return unsafe fstat(descriptor, &status) == 0 ? Int(status.st_size) : 0
    }
}
