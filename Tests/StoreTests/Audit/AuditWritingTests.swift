import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct AuditWritingTests {
    @Test func `twenty processes with a hundred lines each make one whole chain`() throws {
        try withAuditedStore { store, file in
            let directory = store.audit.folder.path
            let writers = try (0..<20).map { _ in try ChildProcess.writer("audit", directory, "100") }
            let told = writers.map { $0.finish() }
            #expect(told.allSatisfy { $0.status == 0 && $0.lines.count == 100 })
            let verdict = try store.verifyAudit()
            #expect(verdict.problem == nil && verdict.records == 2002)
            #expect(try store.recorded().sorted() == told.flatMap(\.lines).sorted())
        }
    }

    @Test func `lines that were acknowledged are there after the writers were killed, and the chain goes on`()
        throws
    {
        try withAuditedStore { store, _ in
            var acknowledged: Set<String> = []
            for round in 0..<8 {
                let writers = try (0..<3).map { _ in
                    try ChildProcess.writer("audit", store.audit.folder.path, "100000")
                }
                for (index, writer) in writers.enumerated() {
                    for _ in 0..<(5 + 11 * round + index) { acknowledged.insert(try #require(writer.line())) }
                }
                for writer in writers { writer.kill() }
                try store.audit.write([event(round)], isDurable: true)
            }
            #expect(try store.verifyAudit().problem == nil)
            #expect(acknowledged.isSubset(of: Set(try store.recorded())))
        }
    }

    /// > what they do not get is a log that verifies and says something else — SECURITY.md#the-audit-log
    @Test(arguments: ["z", "A", "é", "\u{7f}", ""])
    func `a line that a stranger puts there is no half line of ours, and nobody is shown it`(_ digit: String)
        throws
    {
        try withAuditedStore(lines: 4) { store, file in
            let whole = try file.lines
            let text = String(decoding: whole[5], as: UTF8.self)
            let end = try #require(text.range(of: ",\"mac\":\"")).upperBound
            let forged = text[..<end] + String(repeating: digit, count: 64) + "\"}"
            try file.write(Array(whole[..<5]) + [Array(forged.utf8)])
            let next = try reopen(store.audit.folder.path)
            try next.audit.write([event(9)], isDurable: false)
            #expect(try store.verifyAudit().problem?.kind == .changed)
            #expect(try !next.recorded().contains("event 3"))
        }
    }

    /// > A line that a crash cut short stays where it is, and the next line says so. — docs/SEMANTICS.md#audit
    @Test func `a line that a crash cut short is mended and told at every length`() throws {
        try withAuditedStore(lines: 4) { store, file in
            let whole = try file.lines
            let last = whole[5]
            for count in [1, 7, 20, last.count / 2, last.count - 2] {
                try file.write(Array(whole[..<5]) + [Array(last[..<count])])
                let torn = try store.verifyAudit()
                #expect(torn.problem == nil && torn.notes.count == 1)
                let next = try reopen(store.audit.folder.path)
                try next.audit.write([event(9)], isDurable: false)
                let verdict = try store.verifyAudit()
                #expect(verdict.problem == nil, "\(count)")
                #expect(verdict.notes.count == 1 && verdict.notes[0].contains("line 6"))
                #expect(try next.recorded(.action).suffix(2) == ["log.mend", "command"])
                #expect(try file.bytes.starts(with: Array(whole[..<5].joined()) + last[..<count]))
            }
            // Only the newline is missing: nothing is lost.
            try file.write(Array(whole[..<5]) + [Array(last.dropLast())])
            try reopen(store.audit.folder.path).audit.write([event(9)], isDurable: false)
            #expect(try store.verifyAudit().notes.isEmpty)
            #expect(try store.verifyAudit().records == 7)
        }
    }

    @Test func `what a stranger appends is named, and what is written after it still holds`() throws {
        try withAuditedStore(lines: 2) { store, file in
            try file.append("{\"seq\":5,\"nonsense\":true}\n")
            try store.audit.write([event(3)], isDurable: false)
            let problem = try #require(try store.verifyAudit().problem)
            #expect(problem.line == 5 && problem.kind == .changed)
            #expect(try store.recorded(.action).suffix(2) == ["log.mend", "command"])
        }
    }

    @Test func `a removed file is refused once, told of in the new one, and found by verify`() throws {
        try withAuditedStore(lines: 3) { store, file in
            try FileManager.default.removeItem(atPath: file.path)
            #expect(throws: AuditError.lost(path: file.path)) {
                try store.audit.write([event(3)], isDurable: false)
            }
            try store.audit.write([event(4)], isDurable: false)
            #expect(try store.recorded(.seq) == ["6", "7"])
            #expect(try store.recorded(.action) == ["log.lost", "command"])
            let problem = try #require(try store.verifyAudit().problem)
            #expect(problem.kind == .removed && problem.reason.contains("1 to 5"))
        }
    }

    @Test func `a file that was cut or replaced by an older copy is refused once`() throws {
        try withAuditedStore(lines: 6) { store, file in
            let lines = try file.lines
            try file.write(Array(lines[..<6]))
            #expect(throws: AuditError.lost(path: file.path)) {
                try store.audit.write([event(9)], isDurable: false)
            }
            try store.audit.write([event(10)], isDurable: false)
            #expect(try store.verifyAudit().problem?.kind == .removed)
            #expect(try store.verifyAudit().problem?.line == 7)
            try FileManager.default.removeItem(atPath: file.path)
            _ = FileManager.default.createFile(atPath: file.path, contents: Data(lines[..<4].joined()))
            #expect(throws: AuditError.lost(path: file.path)) {
                try store.audit.write([event(11)], isDurable: false)
            }
            try store.audit.write([event(12)], isDurable: false)
            // No number was given twice.
            let numbers = try store.recorded(.seq)
            #expect(numbers.count == Set(numbers).count)
        }
    }

    @Test func `an older file that is longer than the present one is refused once`() throws {
        try withAuditedStore(lines: 20) { store, file in
            try store.rotateAudit()
            try store.audit.write([event(20)], isDurable: false)
            let older = try AuditLogFile(path: file.path + ".1").lines
            #expect(older.joined().count > (try file.bytes.count))
            // In place, so that it is the file that this process knows.
            try file.write(older)
            #expect(throws: AuditError.lost(path: file.path)) {
                try store.audit.write([event(21)], isDurable: false)
            }
            try store.audit.write([event(22)], isDurable: false)
            #expect(try store.recorded(.action).suffix(2) == ["log.lost", "command"])
            #expect(try store.verifyAudit().problem != nil)
        }
    }

    @Test func `a change whose record cannot be written is not made`() throws {
        try withAuditedStore { store, file in
            try store.createAlgorithm(algorithm())
            try FileManager.default.removeItem(atPath: file.path)
            try FileManager.default.createDirectory(atPath: file.path, withIntermediateDirectories: false)
            let before = try store.revision()
            let error = #expect(throws: StoreError.self) {
                try store.createSecrets([.plain("A", "1")], of: home())
            }
            guard case .audit = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(throws: StoreError.self) { try store.deleteAlgorithm(algorithm()) }
            #expect(try store.revision() == before)
            #expect(try store.algorithms().count == 1)
        }
    }

    @Test func `a change that fails after it was recorded is told to have failed`() throws {
        try withSmallDisk { disk in
            let directory = disk + "/state"
            let root = try RootKey.random()
            let store = try SealedStore.create(
                at: directory, source: .file(path: directory + "/root.key"), root: root)
            try store.createAlgorithm(algorithm())
            let value = try SecretValue(copying: [UInt8](repeating: 7, count: 900_000).span.bytes)
            let name = try EnvironmentName("BIG")
            var failure: StoreError?
            for _ in 0..<12 where failure == nil {
                let secret = NewSecret(
                    name: name, displayName: try DisplayName("b"), about: try Description(""),
                    delivery: .file,
                    value: value)
                do {
                    try store.createSecrets([secret], of: home(), existing: .update)
                } catch let error as StoreError { failure = error }
            }
            #expect(failure == .storage(.full(path: directory + "/store.db")))
            #expect(try store.recorded(.outcome).last == "failed")
            #expect(try store.verifyAudit().problem == nil)
        }
    }

    @Test func `the lines of a failed write are not half there`() throws {
        try withSmallDisk { disk in
            let directory = disk + "/state"
            let root = try RootKey.random()
            let store = try SealedStore.create(
                at: directory, source: .file(path: directory + "/root.key"), root: root)
            try fill(disk + "/ballast")
            var written = 0
            var failure: AuditError?
            while failure == nil, written < 200 {
                do {
                    try store.audit.write([event(written)], isDurable: false)
                    written += 1
                } catch let error as AuditError { failure = error }
            }
            #expect(failure == .full(path: directory + "/audit.log"))
            #expect(try store.verifyAudit().problem == nil)
            #expect(try store.recorded().count == written)
            try FileManager.default.removeItem(atPath: disk + "/ballast")
            try store.audit.write([event(written)], isDurable: true)
            #expect(try store.verifyAudit().records == UInt64(written + 3))
        }
    }
}
