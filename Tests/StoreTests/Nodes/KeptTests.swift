import Foundation
import Secrets
import Testing

@testable import Store

@Suite struct `What a node keeps` {
    private let held = HeldVersion(
        secret: SecretID(), version: .first, modified: Timestamp(seconds: 5, nanoseconds: 6))
    private let boot = UUID()

    private func moment(uptime: UInt64 = 100, time: Int64 = 1000, boot: UUID? = nil) -> KeptMoment {
        KeptMoment(
            boot: boot ?? self.boot, uptime: uptime, time: Timestamp(seconds: time, nanoseconds: 0))
    }

    private func kept(_ generation: UInt64 = 7, values: [HeldVersion: KeptValue]? = nil) throws -> KeptView {
        let entry = LinkEntry(
            name: try EnvironmentName("KEY"), held: held, delivery: .env, count: 3, expires: nil, callers: [],
            details: nil, isUnreadable: false, hasValue: true)
        return KeptView(
            view: LinkView(generation: generation, modified: held.modified, entries: [entry]),
            values: values ?? [
                held: KeptValue(encapsulated: .init(repeating: 1, count: 32), sealed: [1, 2, 3])
            ],
            confirmed: moment())
    }

    private func records(_ store: SecretStore) throws -> [StoredRecord] {
        try store.storage.read(Keys.allKept.map { .prefix($0) }, at: nil).records
    }

    @Test func `is there after reopening, as it came`() throws {
        try withSecretStore { store, directory in
            #expect(try store.kept(of: algorithm()) == nil)
            try store.keep(kept(), of: algorithm())
            let found = try #require(try reopen(directory).kept(of: algorithm()))
            #expect(found.view.generation == 7 && found.view.entries.map(\.held) == [held])
            #expect(try found.values == kept().values && found.confirmed == moment())
            #expect(try store.kept(of: algorithm("nlp/Other")) == nil)
        }
    }

    @Test func `is the newest view, and what is not in that goes`() throws {
        try withSecretStore { store, _ in
            try store.keep(kept(), of: algorithm())
            try store.keep(kept(8, values: [:]), of: algorithm())
            let found = try #require(try store.kept(of: algorithm()))
            #expect(found.view.generation == 8 && found.values.isEmpty)
            try store.keep(kept(9), of: algorithm("nlp/Other"))
            try store.forgetKept(algorithm())
            #expect(try store.kept(of: algorithm()) == nil)
            #expect(try store.kept(of: algorithm("nlp/Other")) != nil)
            #expect(try records(store).count == 3)
            try store.forgetKept()
            #expect(try records(store).isEmpty)
        }
    }

    @Test func `with the moment of another view is damaged, and with a changed value lacks that`() throws {
        try withSecretStore { store, _ in
            try store.keep(kept(), of: algorithm())
            try store.confirmKept([algorithm(): kept(8)])
            #expect(throws: StoreError.damaged(record: "kept-moment/nlp/Summarizer")) {
                try store.kept(of: algorithm())
            }
            try store.confirmKept([algorithm(): kept(7)])
            let value = try #require(try records(store).first { $0.key.text.hasPrefix("kept-value/") })
            var bytes = value.bytes
            bytes[bytes.count - 1] ^= 1
            try store.storage.commit(Transaction(then: [.put(value.key, bytes)]))
            #expect(try #require(try store.kept(of: algorithm())).values.isEmpty)
        }
    }

    @Test func `is as old as the kernel says, or older`() {
        #expect(moment().age(at: moment(uptime: 160, time: 1060)) == 60)
        // A clock that is set back, or forward.
        #expect(moment().age(at: moment(uptime: 160, time: 10)) == 60)
        #expect(moment().age(at: moment(uptime: 160, time: 5000)) == 4000)
        // Another kernel: by the clock, if that has not gone back.
        #expect(moment().age(at: moment(uptime: 3, time: 1060, boot: UUID())) == 60)
        #expect(moment().age(at: moment(uptime: 3, time: 999, boot: UUID())) == nil)
        #expect(moment().age(at: moment(uptime: 99, time: 1060)) == nil)
    }
}
