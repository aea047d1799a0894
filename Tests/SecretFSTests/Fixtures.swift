import Fuse
import Secrets
import Synchronization
import TestSupport

@testable import SecretFS

extension AlgorithmTree {
    static func of(
        _ view: AlgorithmView, fileMode: UInt16 = 0o400, trail: any AuditTrail = NoTrail()
    ) throws -> AlgorithmTree {
        guard let attributes = MountAttributes(uid: 7, gid: 8, fileMode: fileMode) else {
            throw Refusal.invalid
        }
        return AlgorithmTree(
            view, of: try AlgorithmName("nlp/Summarizer"), attributes: attributes, trail: trail
        ) { _, _ in }
    }

    var plaintextCount: Int { state.withLock { $0.files.plaintextCount } }

    func lookUp(_ name: String) throws(Refusal) -> Node { try lookUp(name.utf8Span.span, in: .root) }

    func bytes(_ handle: HandleID, at offset: UInt64 = 0, count: Int = 1 << 24) throws(Refusal) -> [UInt8] {
        var result: [UInt8] = []
        try read(handle, at: offset, count: count) { span in
            result = (0..<span.byteCount).map { span.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
        }
        return result
    }

    /// As the kernel does it: look up, open, and once more from the name if the inode went stale.
    func open(_ name: String) throws(Refusal) -> HandleID {
        do {
            return try open(lookUp(name).id, by: anyone)
        } catch .stale {
            return try open(lookUp(name).id, by: anyone)
        }
    }

    func names() throws(Refusal) -> [String] {
        let handle = try openDirectory(.root, by: anyone)
        defer { closeDirectory(handle) }
        var names: [String] = []
        try readDirectory(handle, after: 0) { entry in
            names.append(entry.name)
            return true
        }
        return names
    }
}

let anyone = Caller(uid: 0, gid: 0, thread: 1)
