import Secrets
import Testing

@testable import Store

@Suite struct `The policy of data keys` {
    private let now = Timestamp(seconds: 2_000_000_000, nanoseconds: 0)

    private func usage(ageDays: Int64 = 0, records: Int = 0, malformed: Int = 0) throws -> KeyUsage {
        let key = try Keyring.create().active
        let created = Timestamp(seconds: now.seconds - ageDays * 86_400, nanoseconds: 0)
        let aged = DataKey(id: key.id, state: .active, created: created, cipher: key.cipher)
        var usage = KeyUsage(Keyring(generation: 1, retired: [], active: aged))
        usage.records[key.id] = records
        usage.malformed = malformed
        return usage
    }

    private func kinds(_ usage: KeyUsage, days: Int = 365) -> [String] {
        KeyPolicy(maximumDays: days).warnings(about: usage, at: now).map(\.kind)
    }

    @Test func `warns of a key that is older than allowed`() throws {
        #expect(kinds(try usage(ageDays: 365)).isEmpty)
        #expect(kinds(try usage(ageDays: 366)) == ["old"])
        #expect(kinds(try usage(ageDays: 366), days: 400).isEmpty)
        #expect(kinds(try usage(ageDays: -3), days: 0).isEmpty, "a clock that was put back")
    }

    @Test func `warns of a key that seals more than 2³² records`() throws {
        #expect(kinds(try usage(records: 1 << 32)).isEmpty)
        #expect(kinds(try usage(records: (1 << 32) + 1)) == ["worn"])
    }

    @Test func `warns of what no key opens, and of a rotation that did not end`() throws {
        #expect(kinds(try usage(malformed: 1)) == ["unreadable"])
        var usage = KeyUsage(try Keyring.create().rotated())
        #expect(kinds(usage, days: 100_000) == ["unfinished"])
        usage.records[KeyID(rawValue: usage.keys[0].id.rawValue)] = 7
        #expect(usage.left == 7 && usage.unknown == 0)
        usage.records[KeyID(rawValue: 0)] = 2
        #expect(usage.unknown == 2 && kinds(usage, days: 100_000) == ["unfinished", "unreadable"])
    }
}
