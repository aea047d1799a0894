import Secrets
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

    @Test func `together for users of whom there are too many`() {
        var counter = DenialCounter<UInt32>()
        let recorded = (0..<70_000).count { counter.note(UInt32($0)).isRecorded }
        #expect(recorded == DenialCounter<UInt32>.maximumUsers)
        let rest = counter.end()
        #expect(rest.map(\.user) == [nil] && rest.map(\.count) == [70_000 - recorded])
    }
}
