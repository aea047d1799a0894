import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct AuditChainTests {
    @Test func `a log that nobody touched is whole`() throws {
        try withAuditedStore(lines: 50) { store, _ in
            let verdict = try store.verifyAudit()
            #expect(verdict.problem == nil)
            #expect(verdict.records == 52)
            #expect(verdict.first == 1 && verdict.last == 52)
            #expect(verdict.notes.isEmpty)
        }
    }

    /// > `secretfs audit verify` names the first line that was changed, removed, reordered or added. — docs/SEMANTICS.md#audit
    @Test func `each change of each line is named by its file and number`() throws {
        try withAuditedStore(lines: 10) { store, file in
            try store.anchorAudit()
            let lines = try file.lines
            for index in lines.indices {
                for (tampered, expected) in tamperings(of: lines, at: index) {
                    try file.write(tampered)
                    let problem = try #require(try store.verifyAudit().problem)
                    #expect(problem.file == "audit.log")
                    #expect(
                        expected.contains { $0 == (problem.line, problem.kind) },
                        "line \(index + 1): \(problem), not \(expected)")
                }
            }
            try file.write(lines)
            #expect(try store.verifyAudit().problem == nil)
        }
    }

    /// What can be done to one line, and what may be said of it.
    private func tamperings(
        of lines: [[UInt8]], at index: Int
    ) -> [([[UInt8]], [(Int, AuditVerdict.Problem.Kind)])] {
        let number = index + 1
        let isLast = number == lines.count
        var result: [([[UInt8]], [(Int, AuditVerdict.Problem.Kind)])] = []
        // One bit, in the number, in the text and in the MAC.
        for offset in [8, lines[index].count / 2, lines[index].count - 10] {
            var changed = lines
            changed[index][offset] ^= 1
            result.append((changed, [(number, .changed), (number, .repeated), (number, .removed)]))
        }
        var removed = lines
        removed.remove(at: index)
        result.append((removed, [(number, isLast ? .truncated : .removed)]))
        var repeated = lines
        repeated.insert(lines[index], at: number)
        result.append((repeated, [(number + 1, .repeated)]))
        result.append((Array(lines[..<number]), isLast ? [] : [(number + 1, .truncated)]))
        if !isLast {
            var swapped = lines
            swapped.swapAt(index, number)
            result.append((swapped, [(number, .reordered), (number, .removed)]))
        }
        return result.filter { !$0.1.isEmpty }
    }

    @Test func `a log of another store is not taken for this one's`() throws {
        try withAuditedStore(lines: 3) { store, file in
            try withAuditedStore(lines: 30) { _, other in
                try file.write(try other.lines)
                #expect(try store.verifyAudit().problem?.line == 1)
            }
        }
    }

    @Test func `an older copy of the log is noticed against what the store knows`() throws {
        try withAuditedStore(lines: 5) { store, file in
            let old = try file.lines
            try store.audit.write([event(5)], isDurable: false)
            try store.anchorAudit()
            try file.write(old)
            let problem = try #require(try store.verifyAudit().problem)
            #expect(problem.kind == .truncated && problem.line == 8)
        }
    }

    @Test func `any text comes back as it was, and a line is printable ASCII`() throws {
        let texts = [
            "plain", "", "\"quoted\" \\ back", "\u{1b}[31mred\n\r\t\0", "Žluťoučký 🐎", "\u{9b}", "a\u{202e}b",
            String(repeating: "x", count: 5000),
        ]
        try withAuditedStore { store, file in
            for text in texts {
                try store.audit.write(
                    [AuditEvent(.command, by: .thisProcess, detail: text)], isDurable: false)
            }
            #expect(try store.recorded() == texts.map { String($0.prefix(AuditLineWriter.maximumText)) })
            #expect(try file.bytes.allSatisfy { (0x20...0x7E).contains($0) || $0 == 10 })
            #expect(try store.verifyAudit().problem == nil)
        }
    }

    @Test func `no text makes a line long, whatever it is made of`() throws {
        try withAuditedStore { store, file in
            for text in ["x", "\"", "\u{fffd}", "🐎"] {
                let long = String(repeating: text, count: 5000)
                let actor = AuditActor(uid: 7, executable: long, cgroup: long, user: long)
                try store.audit.write([AuditEvent(.command, by: actor, detail: long)], isDurable: false)
            }
            #expect(try file.lines.allSatisfy { $0.count < 4 * 1024 + 1024 })
            #expect(try store.verifyAudit().problem == nil)
        }
    }

    @Test func `times are those of the calendar`() throws {
        try withAuditedStore { store, _ in
            let key = try AuditMAC(store.audit.key)
            for seconds: Int64 in [
                0, 951_782_399, 951_782_400, 1_709_164_800, 4_107_542_399, 253_402_300_799,
            ] {
                var writer = AuditLineWriter()
                var link = AuditLink.start
                let time = Timestamp(seconds: seconds, nanoseconds: 999_999_000)
                try writer.append(event(0), at: time, following: &link, key)
                let record = try #require(AuditRecord(Array(writer.bytes.dropLast())))
                #expect(record.time == time)
                let text = try #require(record.texts[.time])
                #expect(text.hasPrefix(String(time.description.prefix(19))))
            }
        }
    }

    @Test func `nothing that is not a line of ours is taken apart`() throws {
        try withAuditedStore(lines: 1) { _, file in
            let line = Array(try file.lines[2].dropLast())
            #expect(AuditRecord(line) != nil)
            for count in line.indices {
                #expect(AuditRecord(Array(line[..<count])) == nil)
                #expect(unsafe AuditOutline(Array(line[..<count]).span.bytes) == nil)
            }
            var generator = SystemRandomNumberGenerator()
            for _ in 0..<20_000 {
                var changed = line
                changed[Int.random(in: line.indices, using: &generator)] = UInt8.random(
                    in: 0...255, using: &generator)
                // Must not trap; what it answers is up to the byte.
                _ = AuditRecord(changed)
                _ = unsafe AuditOutline(changed.span.bytes)
            }
            for text in [
                "{\"seq\":18446744073709551616,", "{\"seq\":", "{\"seq\":1,\"seq\":1}", "{}", "{\"seq\":01}",
                "[", "",
            ] {
                #expect(AuditRecord(Array(text.utf8)) == nil)
                #expect(unsafe AuditOutline(Array(text.utf8).span.bytes) == nil)
            }
        }
    }
}

/// > have the MAC `b3fd9181eef2eb0bf6c6101734dfbd7d — docs/FORMAT.md#audit-log
@Test func `the line of the worked example has the MAC and the length that the document says`() throws {
    let key = try AuditKey(deriving: try SecretValue(copying: Array(UInt8(0)..<32).span.bytes))
    var event = AuditEvent(
        .open,
        by: AuditActor(
            uid: 1000, gid: 1000, pid: 4711, executable: "/usr/bin/python3.11",
            cgroup: "/system.slice/nlp.service"),
        home: try home(), secret: try EnvironmentName("MYSQL_PASSWORD"), version: Version(number: 3))
    event.outcome = .ok
    var writer = AuditLineWriter()
    var link = AuditLink.start
    let time = Timestamp(seconds: 1_795_442_585, nanoseconds: 120_345_000)
    try writer.append(event, at: time, following: &link, try AuditMAC(key))
    let text = String(decoding: writer.bytes, as: UTF8.self)
    #expect(text.hasPrefix("{\"seq\":1,\"time\":\"2026-11-23T14:03:05.120345Z\",\"action\":\"open\""))
    #expect(
        text.hasSuffix(
            ",\"mac\":\"b3fd9181eef2eb0bf6c6101734dfbd7d5b864c7bbae88d346228956861852a42\"}\n"))
    #expect(writer.bytes.count == 323)
}

@Test func `the records that storage keeps of the log have the lengths that the document says`() throws {
    #expect(AuditAnchor(link: .start, first: 1).encoded().count == 50)
    #expect(AuditSettings().encoded().count == 15)
}
