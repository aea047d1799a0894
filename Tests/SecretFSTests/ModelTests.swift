import Fuse
import Secrets
import TestSupport
import Testing

@testable import SecretFS

/// Where the world and the model differ.
struct Difference: Error, CustomStringConvertible {
    let description: String
}

/// Random steps, done in a world and in the model at once.
struct Walk {
    private var random: Seeded
    private var model = Model()
    private let world: any World
    private static let names = (0..<12).map { "N\($0)" }

    init(seed: UInt64, in world: any World) {
        random = Seeded(state: seed)
        self.world = world
    }

    mutating func run(steps: Int) throws {
        for step in 0..<steps {
            do { try self.step() } catch let difference as Difference {
                throw Difference(description: "step \(step): \(difference)")
            }
        }
        for descriptor in model.opened.keys { try world.close(descriptor) }
    }

    private mutating func step() throws {
        let name = Self.names.randomElement(using: &random) ?? "N0"
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<25: try change(name)
        case 25..<30:
            model.delete(name)
            try world.show(Array(model.shown.values), generation: model.generation)
        case 30..<60: try open(Int.random(in: 0..<10, using: &random) < 7 ? name : ".environ")
        case 60..<90: try read()
        case 90..<95: try close()
        default: try compare(try world.list(), model.listing, "listing")
        }
    }

    private mutating func change(_ name: String) throws {
        // Sizes that differ between versions, and now and then none or more than a page.
        let count = [0, 1, 7, 100, 5000].randomElement(using: &random) ?? 0
        let fill = UInt8.random(in: 1...255, using: &random)
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) ^ fill }.map { $0 == 0 ? 1 : $0 }
        if model.shown[name] == nil {
            model.create(name, bytes, Bool.random(using: &random) ? .env : .file)
        } else {
            model.update(name, bytes)
        }
        try world.show(Array(model.shown.values), generation: model.generation)
    }

    private mutating func open(_ name: String) throws {
        let descriptor = try world.open(name)
        guard model.content(name) != nil else {
            return try compare(descriptor == nil, true, "\(name) is absent")
        }
        guard let descriptor else { throw Difference(description: "\(name) does not open") }
        model.open(name, as: descriptor)
        try compare(try world.size(descriptor), model.opened[descriptor]?.count ?? -1, "size of \(name)")
    }

    private mutating func read() throws {
        guard let descriptor = model.opened.keys.sorted().randomElement(using: &random) else { return }
        let offset = Int.random(in: 0...6000, using: &random)
        let start = Bool.random(using: &random) ? 0 : offset
        let count = [1, 3, 4096, 100_000].randomElement(using: &random) ?? 1
        let expected = model.read(descriptor, at: start, count: count)
        try compare(try world.read(descriptor, at: start, count: count), expected, "bytes at \(start)")
    }

    private mutating func close() throws {
        guard let descriptor = model.opened.keys.sorted().randomElement(using: &random) else { return }
        try world.close(descriptor)
        model.close(descriptor)
    }

    private func compare<T: Equatable>(_ found: T, _ expected: T, _ what: String) throws {
        guard found != expected else { return }
        throw Difference(description: "\(what): found \(found), expected \(expected)")
    }
}

@Suite struct `A tree behaves like the model` {
    @Test(arguments: 1...40) func `in its handlers`(_ seed: UInt64) throws {
        var walk = Walk(seed: seed, in: try HandlersWorld())
        try walk.run(steps: 500)
    }

    @Test(.enabled(if: isRootWithFuse), arguments: 1...10)
    func `through the kernel`(_ seed: UInt64) throws {
        try withMountedAlgorithm { server in
            var walk = Walk(seed: seed, in: MountedWorld(server))
            try walk.run(steps: 500)
        }
    }

    @Test(arguments: Broken.Fault.allCases) func `and the model notices a broken tree`(_ fault: Broken.Fault)
        throws
    {
        #expect(throws: Difference.self) {
            for seed in 1...40 as ClosedRange<UInt64> {
                var walk = Walk(seed: seed, in: Broken(try HandlersWorld(), fault))
                try walk.run(steps: 500)
            }
        }
    }
}

/// A world with one fault: what the model must be able to see.
final class Broken: World {
    enum Fault: CaseIterable { case flippedBit, oldVersion, missingName, wrongSize, shortRead }
    private let whole: HandlersWorld
    private let fault: Fault
    private var stale: [String: Int] = [:]

    init(_ whole: HandlersWorld, _ fault: Fault) {
        self.whole = whole
        self.fault = fault
    }

    func show(_ entries: [ShownEntry], generation: UInt64) throws {
        try whole.show(entries, generation: generation)
    }
    func open(_ name: String) throws -> Int? {
        guard fault == .oldVersion else { return try whole.open(name) }
        // The first open of a name is what every later one gets.
        if let old = stale[name] { return old }
        let descriptor = try whole.open(name)
        stale[name] = descriptor
        return descriptor
    }
    func read(_ descriptor: Int, at offset: Int, count: Int) throws -> [UInt8] {
        var bytes = try whole.read(descriptor, at: offset, count: count)
        if fault == .flippedBit, bytes.count > 4000 { bytes[4000] ^= 1 }
        if fault == .shortRead, bytes.count > 1 { bytes.removeLast() }
        return bytes
    }
    func size(_ descriptor: Int) throws -> Int { try whole.size(descriptor) + (fault == .wrongSize ? 1 : 0) }
    func close(_ descriptor: Int) throws { if fault != .oldVersion { try whole.close(descriptor) } }
    func list() throws -> Set<String> {
        var names = try whole.list()
        if fault == .missingName, let name = names.first(where: { $0.hasPrefix("N") }) { names.remove(name) }
        return names
    }
}
