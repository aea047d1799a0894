import Glibc
import Secrets

/// Hands the root key from the command that opened it to the agent that it starts, over a pipe that nobody
/// else has. It never touches a file system, an argument or a variable.
extension RootKey {
    /// Writes the 32 bytes to a pipe. A pipe holds 4,096 bytes at least, so this does not block.
    package borrowing func write(to pipe: Int32) throws(RootKeyError) {
        let written = withBytes { bytes in
            unsafe bytes.withUnsafeBytes { unsafe Glibc.write(pipe, $0.baseAddress, $0.count) }
        }
        guard written == Self.byteCount else {
            throw .notWritten(path: "pipe to the agent", reason: unsafe String(cString: strerror(errno)))
        }
    }

    /// - Throws: `.unreadable` if the pipe ends before 32 bytes.
    package static func read(from pipe: Int32) throws(RootKeyError) -> RootKey {
        let value: SecretValue
        do throws(SealError) {
            value = try .sealing(capacity: byteCount) { (bytes: inout OutputRawSpan) throws(SealError) in
                while bytes.freeCapacity > 0 {
                    let got = unsafe bytes.withUnsafeMutableBytes { buffer, count in
                        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count..<byteCount])
                        let got = unsafe Glibc.read(pipe, rest.baseAddress, rest.count)
                        count += max(got, 0)
                        return got
                    }
                    if got < 0 && errno == EINTR { continue }
                    guard got > 0 else { return }
                    if bytes.byteCount == byteCount { return }
                }
            }
        } catch {
            throw .sealing(error)
        }
        guard value.count == byteCount else {
            throw .unreadable(path: "pipe to the agent", reason: "it ended early")
        }
        return RootKey(value)
    }
}
