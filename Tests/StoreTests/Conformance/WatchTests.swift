import Foundation
import Store
import Synchronization
import Testing

/// Collects what a watch tells.
final class Told: Sendable {
    private let state = Mutex<[Revision]>([])
    private let news = DispatchSemaphore(value: 0)

    var revisions: [Revision] { state.withLock { $0 } }

    func hear(_ revision: Revision) {
        state.withLock { $0.append(revision) }
        news.signal()
    }

    /// Waits until `revision` was told, or for a deadline that only a broken watch meets.
    func waits(for revision: Revision) -> Bool {
        let deadline = DispatchTime.now() + .seconds(20)
        while revisions.last.map({ $0 < revision }) ?? true {
            guard news.wait(timeout: deadline) == .success else { return false }
        }
        return true
    }
}

@Suite struct `Watches of any engine` {
    @Test(arguments: EngineUnderTest.all)
    func `commits of the same and of another instance are told`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let (one, other) = (try open(), try open())
            let told = Told()
            let watch = try one.watch { told.hear($0) }
            defer { watch.cancel() }
            for round in 1...10 {
                let revision = try (round % 2 == 0 ? one : other).put("a", "\(round)")
                #expect(told.waits(for: revision))
            }
            #expect(told.revisions == told.revisions.sorted())
            #expect(Set(told.revisions).count == told.revisions.count)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `the last of many fast commits is told`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let told = Told()
            let watch = try open().watch { told.hear($0) }
            defer { watch.cancel() }
            let writers = [try open(), try open(), try open()]
            try inParallel(writers) { store in for number in 0..<50 { try store.put("a", "\(number)") } }
            #expect(told.waits(for: 150))
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `after cancel nothing is told`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let (told, control) = (Told(), Told())
            let watch = try store.watch { told.hear($0) }
            let still = try store.watch { control.hear($0) }
            defer { still.cancel() }
            watch.cancel()
            watch.cancel()
            #expect(control.waits(for: try store.put("a")))
            #expect(told.revisions.isEmpty)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a watch that is let go ends`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let (told, control) = (Told(), Told())
            var watch: (any Watch)? = try store.watch { told.hear($0) }
            let still = try store.watch { control.hear($0) }
            defer { still.cancel() }
            _ = watch.take()
            #expect(control.waits(for: try store.put("a")))
            #expect(told.revisions.isEmpty)
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a watch may be cancelled and let go from its own call`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let (told, control) = (Told(), Told())
            let holder = Mutex<(any Watch)?>(nil)
            let watch = try store.watch { revision in
                let mine = holder.withLock { $0.take() }
                mine?.cancel()
                told.hear(revision)
            }
            holder.withLock { $0 = watch }
            let still = try store.watch { control.hear($0) }
            defer { still.cancel() }
            try store.put("a")
            #expect(told.waits(for: 1))
            #expect(control.waits(for: try store.put("a")))
            #expect(told.revisions == [1])
        }
    }

    @Test(arguments: EngineUnderTest.all)
    func `a call may read and commit`(_ engine: EngineUnderTest) throws {
        try engine.withStore { open in
            let store = try open()
            let told = Told()
            let watch = try store.watch { revision in
                if revision < 5 { _ = try? store.put("a") }
                told.hear(revision)
            }
            defer { watch.cancel() }
            try store.put("a")
            #expect(told.waits(for: 5))
        }
    }
}
