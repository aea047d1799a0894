import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct `The newest lines of the audit log` {
    /// In the order in which they come.
    private func sequences(
        _ directory: String, before: UInt64? = nil, reading limit: Int = .max, atMost count: Int = .max
    ) throws -> (found: [UInt64], look: AuditReader.LookBack) {
        var found: [UInt64] = []
        let look = try AuditReader(at: directory).newest(before: before, reading: limit) { record in
            found.append(record.sequence)
            return found.count < count
        }
        return (found, look)
    }

    private func forwards(_ directory: String) throws -> [UInt64] {
        var found: [UInt64] = []
        try AuditReader(at: directory).forEach { _, _, _, record in
            if let record { found.append(record.sequence) }
            return true
        }
        return found
    }

    @Test func `are those that reading forwards finds, across blocks and files`() throws {
        try withSecretStore { store, directory in
            let text = String(repeating: "x", count: 700)
            for _ in 0..<1000 {
                try store.trail.record([AuditEvent(.command, by: .thisProcess, detail: text)])
            }
            try store.rotateAudit()
            for _ in 0..<100 { try store.trail.record([AuditEvent(.command, by: .thisProcess)]) }
            let all = try forwards(directory)
            #expect(all.count > 1100)
            let (found, look) = try sequences(directory)
            #expect(found == all.reversed() && !look.isCut && look.oldest == 1)
            let page = try sequences(directory, before: found[49], atMost: 20)
            #expect(page.found == Array(found[50..<70]) && page.look.isCut && page.look.oldest == found[69])
            let short = try sequences(directory, reading: 1000)
            #expect(short.look.isCut && short.found.count < 10)
        }
    }

    @Test func `leave out what is no line of ours, and a last line that is not finished`() throws {
        try withSecretStore { store, directory in
            try store.trail.record([AuditEvent(.command, by: .thisProcess)])
            let all = try forwards(directory)
            let path = directory + "/audit.log"
            let handle = try #require(FileHandle(forWritingAtPath: path))
            handle.seekToEndOfFile()
            handle.write(Data("no line of ours\n\n{\"seq\":99,\"time\":\"20".utf8))
            try handle.close()
            #expect(try sequences(directory).found == all.reversed())
        }
    }
}
