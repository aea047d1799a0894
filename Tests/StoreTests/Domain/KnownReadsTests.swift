import Secrets
import Testing

@testable import Store

@Suite struct `What is read once between two commits` {
    @Test func `is read again after any commit, and not without keys`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            let known = KnownReads<String, Int>(atMost: 10)
            var reads = 0
            func ask(_ key: String = "a") throws -> Int? {
                try known.value(of: key, in: store) {
                    reads += 1
                    return reads
                }
            }
            #expect(try ask() == 1 && ask() == 1 && ask("b") == 2 && ask() == 1)
            // Another process's, too.
            try reopen(directory).createSecrets([.plain("A", "1")], of: home())
            #expect(try ask() == 3 && ask("b") == 4 && ask() == 3)
            store.seal()
            #expect(throws: StoreError.sealed) { try ask() }
        }
    }

    @Test func `what is nothing, or costs too much, is not kept`() throws {
        try withSecretStore { store, _ in
            let known = KnownReads<Int, [UInt8]>(atMost: 10)
            var reads = 0
            func ask(_ key: Int, _ count: Int?) throws {
                _ = try known.value(of: key, in: store, cost: \.count) {
                    reads += 1
                    return count.map { [UInt8](repeating: 0, count: $0) }
                }
            }
            for _ in 0..<2 { try ask(1, nil) }
            for _ in 0..<2 { try ask(2, 11) }
            #expect(reads == 4)
            for _ in 0..<2 { try ask(3, 6) }
            #expect(reads == 5)
            // Both do not fit: the older is read again.
            try ask(4, 6)
            try ask(3, 6)
            #expect(reads == 7)
        }
    }
}
