import Fuse
import Glibc
import Store
import Synchronization

/// The program that speaks to providers, and the pipe to it.
package final class ProviderProcess: Sendable {
    private let program: ChildProgram
    private let pipe: FramePipe
    private let sending = Mutex(())

    /// - Parameter log: what it says of itself goes there.
    package init(log: Int32 = STDERR_FILENO) throws(Failure) {
        program = try ChildProgram(try ProgramPath.provider(), named: "secretfs-provider", log: log)
        pipe = FramePipe(program.socket.raw)
    }

    /// - Returns: false if it has ended.
    @discardableResult
    package func send(_ call: ProviderCall) -> Bool {
        guard let frame = try? call.encoded() else { return false }
        return sending.withLock { _ in pipe.send(frame) }
    }

    /// Waits for the next reply; nil when it has ended, or says what is none.
    package func receive() -> ProviderReply? {
        guard let frame = pipe.receive() else { return nil }
        return try? ProviderReply(decoding: frame)
    }

    package func end() { program.end() }
}
