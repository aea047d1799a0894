import Foundation
import Secrets
import Synchronization
import Testing

@testable import Store

@Suite struct `Many writers on one store` {
    @Test func `lose no update`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            try store.createSecrets([.plain("A", "0")], of: home())
            let failures = Mutex(0)
            DispatchQueue.concurrentPerform(iterations: 8) { writer in
                do {
                    let mine = try reopen(directory)
                    for _ in 0..<10 {
                        try mine.updateSecret(EnvironmentName("A"), of: home(), .value("by \(writer)"))
                    }
                } catch {
                    failures.withLock { $0 += 1 }
                }
            }
            #expect(failures.withLock { $0 } == 0)
            #expect(try store.secret(EnvironmentName("A"), of: home()).current.version.number == 81)
        }
    }

    @Test func `one of two creators of a secret wins, and the other is told`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            let won = Mutex(0)
            let lost = Mutex(0)
            DispatchQueue.concurrentPerform(iterations: 8) { writer in
                do {
                    try reopen(directory).createSecrets([.plain("A", "\(writer)")], of: home())
                    won.withLock { $0 += 1 }
                } catch StoreError.secretsExist {
                    lost.withLock { $0 += 1 }
                } catch {}
            }
            #expect(won.withLock { $0 } == 1 && lost.withLock { $0 } == 7)
            #expect(try store.allRecords().count == 3, "the losers left nothing behind")
        }
    }

    @Test func `a view is never torn while values change`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm())
            let names = (0..<5).map { "N\($0)" }
            try store.createSecrets(names.map { try .plain($0, "0") }, of: home())
            let isDone = Atomic(false)
            let writer = Thread {
                for number in 1...60 {
                    let secrets = try? names.map { try NewSecret.plain($0, "\(number)") }
                    _ = try? reopen(directory).createSecrets(
                        secrets ?? [], of: home(), existing: .update)
                }
                isDone.store(true, ordering: .releasing)
            }
            writer.start()
            var seen: Set<String> = []
            while !isDone.load(ordering: .acquiring) {
                let values = Set(try store.texts(algorithm()).values)
                #expect(values.count == 1)
                seen.formUnion(values)
            }
            #expect(try store.texts(algorithm())["N0"] == "60")
            #expect(seen.count > 1, "the reader saw changes while they were made")
        }
    }

    @Test func `following tells which algorithms changed, by any instance`() throws {
        try withSecretStore { store, directory in
            try store.createAlgorithm(algorithm("a/One"))
            try store.createAlgorithm(algorithm("a/Two"))
            let told = Mutex<Set<AffectedMounts.Part>>([])
            let arrived = DispatchSemaphore(value: 0)
            let following = try Following(
                store,
                onChange: { affected in
                    guard case .some(let names) = affected else { return }
                    told.withLock { $0.formUnion(names) }
                    arrived.signal()
                }, onProblem: { _, _ in })
            try reopen(directory).createSecrets([.plain("A", "1")], of: home("a/Two"))
            #expect(arrived.wait(timeout: .now() + 20) == .success)
            #expect(told.withLock { $0 } == [.algorithm(try algorithm("a/Two"))])
            following.cancel()
        }
    }
}
