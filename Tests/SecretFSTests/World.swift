import Fuse
import Glibc
import Secrets
import TestSupport

@testable import SecretFS

/// A place where a tree can be used as a program uses it: by names and descriptors. The model test runs in
/// every one of them.
protocol World: AnyObject {
    /// Shows these entries from now on.
    func show(_ entries: [ShownEntry], generation: UInt64) throws
    /// - Returns: nil if there is no such file.
    func open(_ name: String) throws -> Int?
    func read(_ descriptor: Int, at offset: Int, count: Int) throws -> [UInt8]
    func size(_ descriptor: Int) throws -> Int
    func close(_ descriptor: Int) throws
    func list() throws -> Set<String>
}

/// The handlers, asked as the kernel asks them: names are cached until the tree says that they are stale,
/// stale inodes are looked up again.
final class HandlersWorld: World {
    private let tree: AlgorithmTree
    private var names: [String: NodeID] = [:]
    private var descriptors: [Int: (handle: HandleID, node: NodeID)] = [:]
    private var last = 0

    init() throws { tree = try .of(.of([], generation: 0)) }

    func show(_ entries: [ShownEntry], generation: UInt64) throws {
        let view = AlgorithmView.of(try entries.map { try $0.entry() }, generation: generation)
        for stale in tree.publish(view) {
            // Sometimes the kernel is late to forget: opens must be right all the same.
            guard generation.isMultiple(of: 3), let node = names.removeValue(forKey: stale.name) else {
                continue
            }
            tree.forget(node, lookups: 1)
        }
    }

    func open(_ name: String) throws -> Int? {
        let first = try names[name] ?? lookUp(name)
        guard let first else { return nil }
        do {
            return keep(try tree.open(first, by: anyone), first)
        } catch Refusal.stale {
            names[name] = nil
            tree.forget(first, lookups: 1)
            guard let second = try lookUp(name) else { return nil }
            return keep(try tree.open(second, by: anyone), second)
        }
    }

    private func lookUp(_ name: String) throws -> NodeID? {
        do {
            let node = try tree.lookUp(name)
            names[name] = node.id
            return node.id
        } catch Refusal.notFound {
            return nil
        }
    }

    private func keep(_ handle: HandleID, _ node: NodeID) -> Int {
        last += 1
        descriptors[last] = (handle, node)
        return last
    }

    func read(_ descriptor: Int, at offset: Int, count: Int) throws -> [UInt8] {
        guard let file = descriptors[descriptor] else { throw Refusal.invalid }
        return try tree.bytes(file.handle, at: UInt64(offset), count: count)
    }

    func size(_ descriptor: Int) throws -> Int {
        guard let file = descriptors[descriptor] else { throw Refusal.invalid }
        return Int(try tree.attributes(of: file.node, handle: file.handle).size)
    }

    func close(_ descriptor: Int) throws {
        guard let file = descriptors.removeValue(forKey: descriptor) else { throw Refusal.invalid }
        tree.close(file.handle)
    }

    func list() throws -> Set<String> { Set(try tree.names()) }
}

/// A real mount, served by another process and used with system calls.
final class MountedWorld: World {
    private let server: TreeServer

    init(_ server: TreeServer) { self.server = server }

    func show(_ entries: [ShownEntry], generation: UInt64) throws {
        let answer = try server.ask(
            (["show", server.directory, "\(generation)"] + entries.map(\.word)).joined(separator: " "))
        guard answer == "ok" else { throw Difference(description: answer) }
    }

    func open(_ name: String) throws -> Int? {
        let descriptor = Glibc.open("\(server.directory)/\(name)", O_RDONLY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw SystemError(errno: errno) }
        return Int(descriptor)
    }

    func read(_ descriptor: Int, at offset: Int, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        let got = pread(Int32(descriptor), &bytes, count, offset)
        guard got >= 0 else { throw SystemError(errno: errno) }
        return Array(bytes[..<got])
    }

    func size(_ descriptor: Int) throws -> Int {
        try fileSize(of: Int32(descriptor))
    }

    func close(_ descriptor: Int) throws { Glibc.close(Int32(descriptor)) }

    func list() throws -> Set<String> {
        guard let directory = opendir(server.directory) else { throw SystemError(errno: errno) }
        defer { closedir(directory) }
        return Set(names(in: directory))
    }
}
