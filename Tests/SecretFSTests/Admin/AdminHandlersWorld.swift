import Fuse
import Secrets
import Synchronization

@testable import SecretFS

/// The handlers, asked as the kernel asks them: a lookup for each name, and each forgotten again.
final class AdminHandlersWorld: AdminWorld {
    private let store = MemoryAdministration()
    let tree: AdminTree
    private let caller = Caller(uid: 7, gid: 8, thread: 0)

    init() throws {
        tree = AdminTree(store, uid: 0, gid: 0, knowsThreads: false) { _ in }
        let owner = try tree.lookUp("algorithms".utf8Span.span, in: .root)
        let made = try tree.makeDirectory("o".utf8Span.span, in: owner.id, by: caller)
        for node in [owner, made] { tree.forget(node.id, lookups: 1) }
    }

    /// Looks the parts of `path` up below `algorithms/o`, and forgets them when `body` is done.
    private func at<T>(
        _ path: ArraySlice<String>, _ body: (NodeID) throws(Refusal) -> T
    ) throws(Refusal) -> T {
        var found: [NodeID] = []
        defer { for node in found { tree.forget(node, lookups: 1) } }
        for part in ["algorithms", "o"] + path {
            found.append(try tree.lookUp(part.utf8Span.span, in: found.last ?? .root).id)
        }
        return try body(found.last ?? .root)
    }

    /// `body` with the directory of `path`, and the name in it.
    private func named<T>(
        _ path: [String], _ body: (Span<UInt8>, NodeID) throws(Refusal) -> T
    ) throws(Refusal) -> T {
        try at(path.dropLast()) { directory throws(Refusal) in
            try body((path.last ?? "").utf8Span.span, directory)
        }
    }

    func makeDirectory(_ path: [String]) throws(Refusal) {
        let node = try named(path) { name, directory throws(Refusal) in
            try tree.makeDirectory(name, in: directory, by: caller)
        }
        tree.forget(node.id, lookups: 1)
    }
    func removeDirectory(_ path: [String]) throws(Refusal) {
        try named(path) { name, directory throws(Refusal) in
            try tree.removeDirectory(name, in: directory, by: caller)
        }
    }
    func unlink(_ path: [String]) throws(Refusal) {
        try named(path) { name, directory throws(Refusal) in
            try tree.removeFile(name, in: directory, by: caller)
        }
    }
    func rename(_ path: [String], to newName: String) throws(Refusal) {
        try named(path) { name, directory throws(Refusal) in
            try tree.rename(
                name, in: directory, to: newName.utf8Span.span, in: directory, replacing: true, by: caller)
        }
    }
    func resize(_ path: [String], to count: Int) throws(Refusal) {
        try at(path[...]) { node throws(Refusal) in
            try tree.resize(node, handle: nil, to: UInt64(count), by: caller)
        }
    }

    func write(_ path: [String], _ pieces: [Piece], _ mode: OpenMode) throws(Refusal) {
        let handle = try named(path) { name, directory throws(Refusal) in
            let found: Node
            do throws(Refusal) { found = try tree.lookUp(name, in: directory) } catch {
                guard error == .notFound else { throw error }
                let (node, handle) = try tree.create(name, in: directory, for: mode, by: caller)
                tree.forget(node.id, lookups: 1)
                return handle
            }
            defer { tree.forget(found.id, lookups: 1) }
            return try tree.open(found.id, for: mode, by: caller)
        }
        defer {
            tree.release(handle)
            tree.close(handle)
        }
        for piece in pieces {
            try tree.write(
                piece.bytes.span.bytes, to: handle, at: UInt64(piece.offset), appending: false, by: caller)
        }
        try tree.flush(handle, by: caller)
    }

    func read(_ path: [String]) throws(Refusal) -> [UInt8] {
        try at(path[...]) { node throws(Refusal) in
            let handle = try tree.open(node, by: caller)
            defer { tree.close(handle) }
            var bytes: [UInt8] = []
            try tree.read(handle, at: 0, count: 1 << 20) { span in
                bytes = (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
            }
            let size = try tree.attributes(of: node, handle: nil).size
            guard size == UInt64(bytes.count) else { throw .damaged }
            return bytes
        }
    }

    func list(_ path: [String]) throws(Refusal) -> Set<String> {
        try at(path[...]) { node throws(Refusal) in
            let handle = try tree.openDirectory(node, by: caller)
            defer { tree.closeDirectory(handle) }
            var names: Set<String> = []
            try tree.readDirectory(handle, after: 0) { entry in names.insert(entry.name).inserted }
            return names
        }
    }

    func values(_ path: [String]) -> [[UInt8]] {
        guard let algorithm = try? AlgorithmName("o/\(path[0])"), let name = try? EnvironmentName(path[1])
        else { return [] }
        return store.values(SecretReference(home: .algorithm(algorithm), name: name))
    }

    /// What the tree keeps of inodes and open files when nobody uses it.
    var remains: Int {
        tree.state.withLock { $0.files.count + ($0.nodes.node(of: .algorithms) == nil ? 0 : 1) }
    }
}
