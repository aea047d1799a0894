import CLinux
import Console
import Glibc
import Logging
import Synchronization

/// Writes to standard error, as the log of a service does. Where that is the `agent.log` of a state folder, the
/// file is moved aside before it grows too long.
struct AgentLog: LogHandler {
    private var handler: StreamLogHandler
    private let file: LogFile

    init(_ label: String, _ file: LogFile) {
        handler = StreamLogHandler.standardError(label: label)
        self.file = file
    }

    var logLevel: Logger.Level {
        get { handler.logLevel }
        set { handler.logLevel = newValue }
    }
    var metadata: Logger.Metadata {
        get { handler.metadata }
        set { handler.metadata = newValue }
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { handler[metadataKey: key] }
        set { handler[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        file.makeRoom()
        handler.log(event: event)
    }
}

/// `agent.log`, and `agent.log.1` with what was in it before.
final class LogFile: Sendable {
    /// In bytes; a line may go beyond it.
    private static let maximumCount = 1 << 20
    private let path: String
    private let turn = Mutex(())

    init(_ path: String) { self.path = path }

    /// Begins a new file where the present one is full. If it cannot, the log goes on in the one that is open.
    func makeRoom() {
        turn.withLock { _ in
            var open = stat()
            guard unsafe fstat(STDERR_FILENO, &open) == 0, open.st_size >= Self.maximumCount,
                // Somebody else's file or terminal is not ours to move.
                let named = Files.status(path), named.st_ino == open.st_ino, named.st_dev == open.st_dev,
                unsafe rename(path, path + ".1") == 0
            else { return }
            let new = Files.openLog(path)
            guard new >= 0 else { return }
            dup2(new, STDERR_FILENO)
            close(new)
        }
    }
}
