import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct AuditRotationTests {
    /// > The chain goes on from file to file. — docs/SEMANTICS.md#audit
    @Test func `the chain goes on from file to file`() throws {
        try withAuditedStore(lines: 3) { store, file in
            for round in 0..<3 {
                try store.rotateAudit()
                try store.audit.write([event(10 + round)], isDurable: false)
            }
            #expect(try store.audit.folder.numbers() == [3, 2, 1])
            let verdict = try store.verifyAudit()
            #expect(verdict.problem == nil && verdict.records == 11)
            // Another process that knew the file before finds the new one.
            try FileManager.default.removeItem(atPath: file.path + ".2")
            let problem = try #require(try store.verifyAudit().problem)
            #expect(problem.file == "audit.log.1" && problem.line == 1 && problem.kind == .removed)
        }
    }

    @Test func `files that are not to be kept go, and verify says from where on it holds`() throws {
        try withAuditedStore(lines: 3) { store, file in
            var settings = AuditSettings()
            settings.kept = 2
            try store.setAuditSettings(settings)
            for round in 0..<5 {
                try store.audit.write([event(round)], isDurable: false)
                try store.rotateAudit()
            }
            #expect(try store.audit.folder.numbers() == [2, 1])
            let verdict = try store.verifyAudit()
            #expect(verdict.problem == nil)
            #expect(verdict.first == 12 && verdict.last == 16)
            // One more than what was to go is missed.
            try FileManager.default.removeItem(atPath: file.path + ".2")
            #expect(try store.verifyAudit().problem?.kind == .removed)
        }
    }

    /// Who can write to the folder needs no key for any of these.
    @Test(arguments: ["no line", "a number that is not ours", "copies"])
    func `files that others put beside ours take no line of ours away`(_ kind: String) throws {
        try withAuditedStore(lines: 3) { store, file in
            var settings = AuditSettings()
            settings.kept = 4
            try store.setAuditSettings(settings)
            for round in 0..<3 {
                try store.audit.write([event(round)], isDurable: false)
                try store.rotateAudit()
            }
            let end = store.audit.end.sequence
            let original = try Data(contentsOf: URL(filePath: file.path + ".1"))
            for number in 4..<20 {
                let content: Data
                switch kind {
                case "no line": content = Data("hello\n".utf8)
                case "copies": content = original
                default:
                    let line = try #require(
                        String(data: original, encoding: .utf8)?.split(separator: "\n").first)
                    let comma = try #require(line.firstIndex(of: ","))
                    content = Data("{\"seq\":18000000000000000000\(line[comma...])\n".utf8)
                }
                try content.write(to: URL(filePath: file.path + ".\(number)"))
            }
            try store.rotateAudit()
            #expect(try store.auditAnchor()?.first == 1)
            #expect(try reopen(store.audit.folder.path).audit.end.sequence >= end)
            for number in try store.audit.folder.numbers() where number > 4 {
                try FileManager.default.removeItem(atPath: file.path + ".\(number)")
            }
            let verdict = try store.verifyAudit()
            #expect(verdict.problem == nil && verdict.first == 1)
        }
    }

    @Test func `a full file is moved aside, and writers go on meanwhile`() throws {
        try withAuditedStore { store, _ in
            var settings = AuditSettings()
            settings.maximumCount = AuditSettings.maximumCounts.lowerBound
            settings.kept = 10_000
            try store.setAuditSettings(settings)
            let directory = store.audit.folder.path
            let writers = try (0..<4).map { _ in try ChildProcess.writer("audit", directory, "300") }
            let rotating = Thread {
                for _ in 0..<40 {
                    store.keepAudit()
                    try? store.audit.write([event(0)], isDurable: false)
                    usleep(2000)
                }
            }
            rotating.start()
            let told = writers.map { $0.finish() }
            while !rotating.isFinished { usleep(1000) }
            #expect(told.allSatisfy { $0.status == 0 && $0.lines.count == 300 })
            let verdict = try store.verifyAudit()
            #expect(verdict.problem == nil, "\(String(describing: verdict.problem))")
            #expect(try store.audit.folder.numbers().count > 2)
            let all = try store.recorded()
            for line in told.flatMap(\.lines) { #expect(all.contains(line)) }
        }
    }

    @Test func `a rotation that a crash ended is neither a gap nor a repetition`() throws {
        try withAuditedStore(lines: 3) { store, file in
            // The first of its two steps.
            try FileManager.default.linkItem(atPath: file.path, toPath: file.path + ".1")
            #expect(try store.verifyAudit().records == 5)
            #expect(try store.verifyAudit().problem == nil)
            try store.rotateAudit()
            #expect(try store.verifyAudit().problem == nil)
            #expect(try store.verifyAudit().records == 6)
        }
    }

    @Test func `settings and the anchor come back from storage, and nothing else is taken for them`() throws {
        try withAuditedStore(lines: 2) { store, _ in
            var settings = AuditSettings()
            settings.sync = .always
            settings.kept = 3
            try store.setAuditSettings(settings)
            try store.anchorAudit()
            let again = try reopen(store.audit.folder.path)
            #expect(again.audit.settings == settings)
            let anchor = try #require(try again.auditAnchor())
            #expect(anchor.link == store.audit.end && anchor.first == 1)
            let bytes = settings.encoded()
            for count in bytes.indices {
                #expect(throws: RecordFormatError.self) {
                    try AuditSettings(decoding: Array(bytes[..<count]))
                }
            }
        }
    }

    @Test func `secrets that nobody reads are listed`() throws {
        try withAuditedStore { store, _ in
            try store.createAlgorithm(algorithm())
            let made = try store.createSecrets(
                [.plain("A", "1"), .plain("B", "2"), .plain("C", [1], delivery: .file)], of: home())
            let later = Timestamp(seconds: Timestamp.now().seconds + 1000, nanoseconds: 0)
            func unused(since: Timestamp) throws -> [String] {
                try store.unusedSecrets(since: since).secrets.map(\.secret.name.text)
            }
            #expect(try unused(since: later) == ["A", "B", "C"])
            #expect(try unused(since: made[0].created).isEmpty)
            let since = Timestamp.now()
            #expect(try unused(since: since) == ["A", "B", "C"])
            let reader = AuditActor(uid: 5)
            let home = try home()
            try store.audit.write(
                [
                    AuditEvent(.open, by: reader, home: home, secret: made[2].name, id: made[2].id),
                    AuditEvent(.open, .denied, by: reader, home: home, secret: made[0].name, id: made[0].id),
                ], isDurable: false)
            #expect(try unused(since: since) == ["A", "B"])
            try store.audit.write([AuditEvent(.environ, by: reader, home: home)], isDurable: false)
            #expect(try unused(since: since).isEmpty)
        }
    }
}
