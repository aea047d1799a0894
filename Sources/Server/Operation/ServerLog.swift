import Glibc
import Logging
import Secrets

/// The server's log: one JSON object a line on standard error, so that nothing that a client sends can look like a line
/// of its own. Never a value, a header, a query or a body.
struct ServerLog: LogHandler {
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]
    private let label: String

    init(_ label: String) { self.label = label }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        let head: [(String, JSON)] = [
            ("time", .string(Timestamp.now().description)), ("level", .string(event.level.rawValue)),
            ("from", .string(label)), ("message", .string(event.message.description)),
        ]
        let rest = all.sorted { $0.key < $1.key }.map { ($0.key, JSON.string($0.value.description)) }
        let line = JSON(head + rest).bytes + [UInt8(ascii: "\n")]
        // One write: lines of several threads do not mix.
        _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
