import Foundation
import Secrets
import Testing

@testable import Store

/// A new store in a temporary folder; `lines` events are in its audit log besides the first two.
func withAuditedStore(lines: Int = 0, _ body: (SecretStore, AuditLogFile) throws -> Void) throws {
    try withSecretStore { store, directory in
        for number in 0..<lines { try store.audit.write([event(number)], isDurable: false) }
        try body(store, AuditLogFile(path: directory + "/audit.log"))
    }
}

func event(_ number: Int) -> AuditEvent {
    AuditEvent(.command, by: AuditActor(uid: 7, gid: 8, pid: 9), detail: "event \(number)")
}

/// The bytes of a log, for those who tamper with them.
struct AuditLogFile {
    let path: String

    var bytes: [UInt8] {
        get throws { [UInt8](try Data(contentsOf: URL(filePath: path))) }
    }
    /// Each with its newline.
    var lines: [[UInt8]] {
        get throws {
            var lines: [[UInt8]] = [[]]
            for byte in try bytes {
                lines[lines.count - 1].append(byte)
                if byte == 10 { lines.append([]) }
            }
            return lines.filter { !$0.isEmpty }
        }
    }

    /// In place: the file stays the same one.
    func write(_ lines: [[UInt8]]) throws {
        let file = try FileHandle(forWritingTo: URL(filePath: path))
        defer { try? file.close() }
        try file.truncate(atOffset: 0)
        try file.write(contentsOf: Data(lines.joined()))
    }
    func append(_ text: String) throws { try write(try lines + [Array(text.utf8)]) }
}

extension SecretStore {
    /// The texts of the log, by what `key` says.
    func recorded(_ key: AuditRecord.Key = .detail) throws -> [String] {
        var texts: [String] = []
        try AuditReader(at: audit.folder.path).forEach { _, _, _, record in
            if let text = record?[key] { texts.append(text) }
            return true
        }
        return texts
    }
}
