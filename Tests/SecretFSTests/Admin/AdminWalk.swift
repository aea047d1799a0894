import Fuse

@testable import SecretFS

/// Random steps, done in a world and in the model at once.
struct AdminWalk {
    private var random: Seeded
    private let model = AdminModel()
    private let world: any AdminWorld

    init(seed: UInt64, in world: any AdminWorld) {
        random = Seeded(state: seed)
        self.world = world
    }

    mutating func run(steps: Int) throws {
        for step in 0..<steps {
            do { try self.step() } catch let difference as Difference {
                throw Difference(description: "step \(step): \(difference)")
            }
        }
    }

    private mutating func pick<T>(_ items: [T]) -> T {
        items[Int.random(in: 0..<items.count, using: &random)]
    }

    private static let readable = [
        "name", "description", "delivery", "kept", "not_before", "expires", "callers", "beside1", "beside2",
    ]

    private mutating func step() throws {
        let algorithm = pick(["A", "B"])
        let secret = [algorithm, pick(["S", "T", "U"])]
        let file =
            Int.random(in: 0..<8, using: &random) == 0
            ? [algorithm, ".callers"]
            : secret + [pick(Self.readable + ["value", "value", "value", "version"])]
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<4:
            try both("mkdir \(algorithm)") { world throws(Refusal) in try world.makeDirectory([algorithm]) }
        case 4..<12: try both("mkdir \(secret)") { world throws(Refusal) in try world.makeDirectory(secret) }
        case 12..<45: try write(file)
        case 45..<50:
            let count = pick([0, 0, 1, 3, 4])
            try both("truncate \(file) to \(count)") { world throws(Refusal) in
                try world.resize(file, to: count)
            }
        case 50..<60:
            let target = pick(Self.readable + ["value", "value", "version"])
            let source = pick(["beside1", "beside2", "name", "value", "version"])
            try both("rename \(secret) \(source) to \(target)") {
                world throws(Refusal) in try world.rename(secret + [source], to: target)
            }
        case 60..<66: try both("unlink \(file)") { world throws(Refusal) in try world.unlink(file) }
        case 66..<69:
            try both("rmdir \(secret)") { world throws(Refusal) in try world.removeDirectory(secret) }
        case 69..<71: try removeAll(secret)
        case 71..<73:
            try both("rmdir \(algorithm)") { world throws(Refusal) in try world.removeDirectory([algorithm]) }
        case 73..<88: try bothRead(file)
        case 88..<94: try bothList(secret)
        default: try bothList([algorithm])
        }
        try compare(world.values(secret), model.values(secret), "values of \(secret)")
    }

    /// As rm -r does it.
    private mutating func removeAll(_ secret: [String]) throws {
        guard let names = try? model.list(secret) else { return }
        try bothList(secret)
        for name in names.subtracting([".", ".."]).sorted() {
            try both("unlink \(name)") { world throws(Refusal) in try world.unlink(secret + [name]) }
        }
        try both("rmdir \(secret)") { world throws(Refusal) in try world.removeDirectory(secret) }
    }

    private mutating func write(_ file: [String]) throws {
        let mode: OpenMode = pick([
            [.write, .truncate], [.write, .truncate], [.write, .truncate], .write, [.write, .append],
        ])
        let content = content(of: file.last ?? "")
        var pieces: [Piece] = []
        var start = 0
        // Whole, or in pieces, now and then over what was written or past a hole.
        let length = pick([content.count, 1, 3, 1000])
        while start < content.count {
            let end = min(content.count, start + max(1, length))
            let shift = pick([0, 0, 0, 0, 0, 0, 0, 0, -1, 1])
            pieces.append(Piece(offset: max(0, start + shift), bytes: Array(content[start..<end])))
            start = end
        }
        try both("write \(pieces.count) pieces to \(file), mode \(mode.rawValue)") {
            world throws(Refusal) in try world.write(file, pieces, mode)
        }
    }

    /// Mostly what the file can hold.
    private mutating func content(of name: String) -> [UInt8] {
        let texts: [String] =
            switch name {
            case "delivery": ["env", "file\n", "env\n", "both"]
            case "kept": ["3", "07\n", "100\n", "few"]
            case "callers", ".callers": ["uid 5\n", "uid 5\nuid 6\n", "\n", "uid 07", "nobody\n"]
            case "not_before", "expires": ["never\n", "\n", "soon"]
            case "version": ["9\n"]
            default:
                ["", "x", "a text\n", "two\nlines", "NUL \0 in it", String(repeating: "long", count: 400)]
            }
        return Array(pick(texts).utf8)
    }

    private func both(_ what: String, _ act: (any AdminWorld) throws(Refusal) -> Void) throws {
        try compare(
            outcome(world) { world throws(Refusal) in
                try act(world)
                return ""
            },
            outcome(model) { world throws(Refusal) in
                try act(world)
                return ""
            }, what)
    }
    private func bothRead(_ path: [String]) throws {
        try compare(
            outcome(world) { world throws(Refusal) in String(decoding: try world.read(path), as: UTF8.self) },
            outcome(model) { world throws(Refusal) in String(decoding: try world.read(path), as: UTF8.self) },
            "read \(path)")
    }
    private func bothList(_ path: [String]) throws {
        try compare(
            outcome(world) { world throws(Refusal) in try world.list(path).sorted().joined(separator: " ") },
            outcome(model) { world throws(Refusal) in try world.list(path).sorted().joined(separator: " ") },
            "list \(path)")
    }

    private func outcome(
        _ world: any AdminWorld, _ act: (any AdminWorld) throws(Refusal) -> String
    ) -> String {
        do { return try act(world) } catch { return "refused: \(error)" }
    }

    private func compare<T: Equatable>(_ found: T, _ expected: T, _ what: String) throws {
        guard found != expected else { return }
        throw Difference(description: "\(what): found \(found), expected \(expected)")
    }
}
