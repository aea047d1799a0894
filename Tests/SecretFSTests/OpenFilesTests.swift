import FoundationEssentials
import Fuse
import Secrets
import TestSupport
import Testing

@testable import SecretFS

@Suite struct `Open files of a mount` {
    /// > `ENOMEM` if no memory can be locked, or if the files that are open in this mount have 64 MiB of plaintext already — docs/SEMANTICS.md#operations
    @Test func `a mount's open files have a limit together, and what is closed is free again`() throws {
        let value = [UInt8](repeating: 1, count: SecretValue.maximumCount)
        let names = (0..<65).map { "N\($0)" }
        let tree = try AlgorithmTree.of(.of(names.map { try .plain($0, value, delivery: .file) }))
        let handles = try names.dropLast().map { try tree.open($0) }
        #expect(throws: Refusal.noMemory) { try tree.open("N64") }
        // Once more what is open costs nothing.
        tree.close(try tree.open("N0"))
        tree.close(handles[0])
        #expect(try tree.bytes(tree.open("N64")).count == value.count)
    }

    /// > or are 65,536 with the directories — docs/SEMANTICS.md#operations
    @Test func `directories that are open share a listing, and have a limit together`() throws {
        let tree = try AlgorithmTree.of(.of((0..<64).map { try .plain("N\($0)", [1]) }))
        let before = try residentBytes()
        let handles = try (0..<OpenFiles.maximumHandles).map { _ in try tree.openDirectory(.root, by: anyone)
        }
        // 24 bytes and more for each name, if each had its own.
        #expect(try residentBytes() - before < OpenFiles.maximumHandles * 64 * 12)
        #expect(throws: Refusal.noMemory) { try tree.openDirectory(.root, by: anyone) }
        #expect(throws: Refusal.noMemory) { try tree.open("N1") }
        tree.closeDirectory(try #require(handles.last))
        tree.close(try tree.open("N1"))
        #expect(tree.plaintextCount == 0, "what was refused is not kept")
    }

    private func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
        return try #require(Int(pages)) * 4096
    }
}
