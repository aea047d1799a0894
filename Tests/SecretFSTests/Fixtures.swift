import FoundationEssentials
import Fuse
import Secrets

@testable import SecretFS

/// Stands in for the store: an entry whose "sealed" bytes are plain. Sealing is tested in StoreTests.
struct PlainEntry: SealedEntry {
    let bytes: [UInt8]
    var isDamaged = false

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        if isDamaged { throw .damaged }
        for byte in bytes { destination.append(byte) }
    }
    func details() throws(OpenError) -> EntryDetails {
        guard let name = try? DisplayName("a name"), let about = try? Description("about it") else {
            throw .damaged
        }
        return EntryDetails(displayName: name, description: about, provider: .internal)
    }
}

extension Entry {
    static func plain(
        _ name: String, _ bytes: [UInt8], version: UInt32 = 1, delivery: Delivery = .env,
        secret: SecretID = SecretID(), isDamaged: Bool = false
    ) throws -> Entry {
        Entry(
            name: try EnvironmentName(name), secret: secret, version: Version(number: version),
            delivery: delivery, count: bytes.count, modified: Timestamp(seconds: 1_000, nanoseconds: 5),
            sealed: PlainEntry(bytes: bytes, isDamaged: isDamaged))
    }
}

extension AlgorithmView {
    static func of(_ entries: [Entry], generation: UInt64 = 1) -> AlgorithmView {
        AlgorithmView(
            generation: generation, modified: Timestamp(seconds: 1_000, nanoseconds: 5),
            entries: entries.sorted { $0.name < $1.name })
    }
}

extension AlgorithmTree {
    static func of(_ view: AlgorithmView, fileMode: UInt16 = 0o400) throws -> AlgorithmTree {
        guard let attributes = MountAttributes(uid: 7, gid: 8, fileMode: fileMode) else {
            throw Refusal.invalid
        }
        return AlgorithmTree(view, attributes: attributes) { _, _ in }
    }

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
