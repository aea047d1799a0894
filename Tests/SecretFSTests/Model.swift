import FoundationEssentials
import Fuse
import Secrets
import TestSupport

/// What a mount is, in a form small enough to be obviously right: names with bytes, and descriptors that
/// remember the bytes of the moment when they were opened.
struct Model {
    private(set) var shown: [String: ShownEntry] = [:]
    private(set) var opened: [Int: [UInt8]] = [:]
    private(set) var generation: UInt64 = 0

    mutating func create(_ name: String, _ bytes: [UInt8], _ delivery: Delivery) {
        shown[name] = ShownEntry(name: name, secret: SecretID(), version: 1, bytes: bytes, delivery: delivery)
        generation += 1
    }
    mutating func update(_ name: String, _ bytes: [UInt8]) {
        shown[name]?.bytes = bytes
        shown[name]?.version += 1
        generation += 1
    }
    mutating func delete(_ name: String) {
        shown[name] = nil
        generation += 1
    }

    var listing: Set<String> { Set(shown.keys).union([".", "..", ".environ", ".generation"]) }

    func content(_ name: String) -> [UInt8]? {
        switch name {
        case ".generation": Array("\(generation)\n".utf8)
        case ".environ":
            shown.values.filter { $0.delivery == .env }.sorted { $0.name < $1.name }.flatMap {
                Array("\($0.name)=".utf8) + $0.bytes + [0]
            }
        default: shown[name]?.bytes
        }
    }

    mutating func open(_ name: String, as descriptor: Int) { opened[descriptor] = content(name) }
    mutating func close(_ descriptor: Int) { opened[descriptor] = nil }
    func read(_ descriptor: Int, at offset: Int, count: Int) -> [UInt8] {
        Array((opened[descriptor] ?? []).dropFirst(offset).prefix(count))
    }
}

/// A small generator of its own, so that a seed means the same run for ever (SplitMix64).
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
