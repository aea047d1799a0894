import Fuse
import Testing

@testable import SecretFS

@Suite struct `An admin tree behaves like the model` {
    @Test(arguments: 1...40) func `in its handlers`(_ seed: UInt64) throws {
        let world = try AdminHandlersWorld()
        var walk = AdminWalk(seed: seed, in: world)
        try walk.run(steps: 1000)
        #expect(world.remains == 0)
    }

    @Test(arguments: BrokenAdmin.Fault.allCases)
    func `and the model notices a broken tree`(_ fault: BrokenAdmin.Fault) throws {
        #expect(throws: Difference.self) {
            for seed in 1...10 as ClosedRange<UInt64> {
                var walk = AdminWalk(seed: seed, in: BrokenAdmin(try AdminHandlersWorld(), fault))
                try walk.run(steps: 1000)
            }
        }
    }
}

/// A world with one fault: what the model must be able to see.
struct BrokenAdmin: AdminWorld {
    enum Fault: CaseIterable {
        case lostPiece, storedTwice, keptWhenRenamed, forgottenRefusal, deletionOnUnlink, resurrection,
            readValue
    }
    private let whole: AdminHandlersWorld
    private let fault: Fault

    init(_ whole: AdminHandlersWorld, _ fault: Fault) {
        self.whole = whole
        self.fault = fault
    }

    func makeDirectory(_ path: [String]) throws(Refusal) { try whole.makeDirectory(path) }
    func removeDirectory(_ path: [String]) throws(Refusal) {
        // It says that it deleted it.
        guard fault != .resurrection || path.count != 2 else { return _ = try whole.list(path) }
        try whole.removeDirectory(path)
    }
    func unlink(_ path: [String]) throws(Refusal) {
        try whole.unlink(path)
        if fault == .deletionOnUnlink, path.last == "value" { try whole.removeDirectory(path.dropLast()) }
    }
    func write(_ path: [String], _ pieces: [Piece], _ mode: OpenMode) throws(Refusal) {
        let isLong = pieces.count > 2
        try whole.write(path, fault == .lostPiece && isLong ? pieces.dropLast() : pieces, mode)
        if fault == .storedTwice, path.last == "value", isLong { try whole.write(path, pieces, mode) }
    }
    func resize(_ path: [String], to count: Int) throws(Refusal) {
        do throws(Refusal) { try whole.resize(path, to: count) } catch {
            guard fault == .forgottenRefusal, error == .invalid else { throw error }
        }
    }
    func rename(_ path: [String], to name: String) throws(Refusal) {
        let content = fault == .keptWhenRenamed ? try? whole.read(path) : nil
        try whole.rename(path, to: name)
        if let content, name == "value" {
            try whole.write(path, [Piece(offset: 0, bytes: content)], [.write, .truncate])
        }
    }
    func read(_ path: [String]) throws(Refusal) -> [UInt8] {
        do throws(Refusal) { return try whole.read(path) } catch {
            guard fault == .readValue, error == .denied, let newest = whole.values(path).last else {
                throw error
            }
            return newest
        }
    }
    func list(_ path: [String]) throws(Refusal) -> Set<String> { try whole.list(path) }
    func values(_ path: [String]) -> [[UInt8]] { whole.values(path) }
}
