import Secrets
import Synchronization
import Testing

@testable import Store

@Suite struct `Users who are listed` {
    @Test func `for an algorithm are kept, shown in its view and gone with it`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            #expect(try store.mounters(of: algorithm()) == UserList())
            let made = try store.changeMounters(of: algorithm(), adding: [7, 5, 7], removing: [])
            #expect(made.uids == [5, 7])
            #expect(try reopen(directory).view(of: algorithm()).mounters.uids == [5, 7])
            try store.changeMounters(of: algorithm(), adding: [], removing: [5, 99])
            #expect(try store.mounters(of: algorithm()).uids == [7])
            try store.deleteAlgorithm(algorithm())
            try store.createAlgorithm(algorithm())
            #expect(try store.mounters(of: algorithm()) == UserList())
            #expect(throws: StoreError.algorithmMissing(try algorithm("no/No"))) {
                try store.mounters(of: algorithm("no/No"))
            }
        }
    }

    @Test func `as administrators are a sealed record that nothing else can take the place of`() throws {
        try withSecretStore { store, directory in
            #expect(try store.administrators() == UserList())
            try store.changeAdministrators(adding: [1000], removing: [])
            #expect(try reopen(directory).administrators().uids == [1000])
            try store.createAlgorithm(algorithm())
            let record = try #require(
                try store.storage.read([.key(Keys.algorithm(algorithm()))], at: nil).records.first)
            _ = try store.storage.commit(
                Transaction(if: [], then: [.put(Keys.administrators, record.bytes)]))
            #expect(throws: StoreError.damaged(record: "administrators")) { try store.administrators() }
        }
    }

    @Test func `are at most 256`() throws {
        try withSecretStore { store, _ in
            try store.createAlgorithm(algorithm())
            try store.changeMounters(of: algorithm(), adding: Array(1...256), removing: [])
            #expect(throws: StoreError.tooManyUsers) {
                try store.changeMounters(of: algorithm(), adding: [257], removing: [])
            }
            try store.changeMounters(of: algorithm(), adding: [257], removing: [1])
            #expect(try store.mounters(of: algorithm()).uids.count == 256)
            #expect(throws: StoreError.tooManyUsers) {
                try store.changeAdministrators(adding: Array(1...257), removing: [])
            }
        }
    }

    /// What another program of ours would never write.
    @Test(arguments: [[7, 5], [5, 5], [.max], Array(0...256)] as [[UInt32]])
    func `in another order, twice or too many are no list`(_ uids: [UInt32]) throws {
        var writer = RecordWriter(kind: .administrators)
        writer.write(uids) { $0.write($1) }
        var reader = try RecordReader(writer.bytes, kind: .administrators)
        #expect(throws: RecordFormatError.malformed) { try reader.users() }
    }

    @Test func `make 12 bytes for two administrators`() {
        var writer = RecordWriter(kind: .administrators)
        writer.write(UserList([1, 2]))
        #expect(writer.bytes == [0x55, 1, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2])
    }
}

@Suite struct `Denials are counted` {
    @Test func `one by one for each user's first, then as a number`() {
        var counter = DenialCounter<UInt32>()
        #expect(counter.note(5) == (true, true))
        #expect(counter.note(6) == (true, false))
        for _ in 0..<1000 { #expect(counter.note(5) == (false, false)) }
        var rest = counter.end()
        #expect(rest.map(\.user) == [5] && rest.map(\.count) == [1000])
        rest = counter.end()
        #expect(rest.isEmpty)
        #expect(counter.note(5) == (true, true))
    }

    @Test func `one by one for so many of each user`() {
        var counter = DenialCounter<UInt32>(recording: 3)
        for user in [5, 6] as [UInt32] {
            let recorded = (0..<10).count { _ in counter.note(user).isRecorded }
            #expect(recorded == 3)
        }
        _ = counter.note(7)
        let rest = counter.end()
        #expect(rest.map(\.count) == [7, 7])
        #expect(counter.note(5) == (true, true))
    }

    /// > the rest is one line — docs/SEMANTICS.md#audit
    @Test func `and every open that is allowed is recorded`() throws {
        let kept = KeptTrail()
        let trail = LimitedTrail(kept)
        func denied(_ uid: UInt32?, _ outcome: AuditEvent.Outcome) -> AuditEvent {
            AuditEvent(.open, outcome, by: AuditActor(uid: uid))
        }
        for _ in 0..<200 {
            #expect(try trail.record(denied(5, .denied)) { _ in })
            try trail.record([denied(5, .ok), denied(nil, .failed)])
        }
        func count(_ uid: UInt32?, _ outcome: AuditEvent.Outcome) -> Int {
            kept.events.withLock { $0.count { $0.actor.uid == uid && $0.outcome == outcome } }
        }
        #expect(count(5, .ok) == 200)
        #expect(count(5, .denied) == LimitedTrail.recordedOpens)
        #expect(count(nil, .failed) == LimitedTrail.recordedOpens)
        trail.end()
        let rest = kept.events.withLock {
            $0.suffix(2).map { "\($0.outcome) \($0.actor.uid ?? 0) \($0.detail ?? "")" }
        }
        #expect(rest.sorted() == ["denied 5 140 more", "failed 0 140 more"])
        trail.end()
        #expect(kept.events.withLock { $0.count } == 322)
    }

    private final class KeptTrail: AuditTrail {
        let events = Mutex<[AuditEvent]>([])
        func record(_ events: [AuditEvent]) { self.events.withLock { $0 += events } }
        func record(_ event: AuditEvent, later: @escaping @Sendable (AuditError?) -> Void) -> Bool {
            record([event])
            return true
        }
    }

    @Test func `together for users of whom there are too many`() {
        var counter = DenialCounter<UInt32>()
        let recorded = (0..<70_000).count { counter.note(UInt32($0)).isRecorded }
        #expect(recorded == DenialCounter<UInt32>.maximumUsers)
        let rest = counter.end()
        #expect(rest.map(\.user) == [nil] && rest.map(\.count) == [70_000 - recorded])
    }
}
