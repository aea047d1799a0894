import Fuse
import Secrets

/// The open files of one mount, and the plaintext that they share: it is in memory once for each inode, however
/// often that is open, and no longer than until the last of its files is closed. See `PlaintextID`.
struct OpenFiles {
    /// All plaintext of one mount together, in bytes: who may read a mount must not use up the memory that the
    /// agent can lock for the others. Ten times the largest `.environ`, or 64 of the longest values.
    static let maximumPlaintext = 64 << 20
    /// Whoever mounts may keep the kernel from telling us of closes: what they open must have an end.
    static let maximumHandles = 65_536

    private struct Plaintext {
        let value: SecretValue
        var files: Int
    }
    private var plaintexts: [PlaintextID: Plaintext] = [:]
    private(set) var plaintextCount = 0
    private var files: [HandleID: OpenFile] = [:]
    private var lastHandle: UInt64 = 0

    /// The plaintext of `id`, if it is open.
    func plaintext(of id: PlaintextID) -> SecretValue? { plaintexts[id]?.value }

    /// Whether `count` more bytes of plaintext may be open.
    func hasRoom(for count: Int) -> Bool { count <= Self.maximumPlaintext - plaintextCount }

    mutating func add(_ file: OpenFile) throws(Refusal) -> HandleID {
        guard files.count < Self.maximumHandles else { throw .noMemory }
        if case .pinned(let value, let plaintext) = file {
            if plaintexts[plaintext] == nil { plaintextCount += value.count }
            plaintexts[plaintext, default: Plaintext(value: value, files: 0)].files += 1
        }
        lastHandle += 1
        let id = HandleID(rawValue: lastHandle)
        files[id] = file
        return id
    }

    mutating func remove(_ handle: HandleID) {
        guard case .pinned(let value, let plaintext) = files.removeValue(forKey: handle),
            let left = plaintexts[plaintext]?.files
        else { return }
        plaintexts[plaintext]?.files = left - 1
        guard left == 1 else { return }
        plaintexts[plaintext] = nil
        plaintextCount -= value.count
    }

    /// Whether the kernel may keep pages of it, which it does by inode: not where callers get different bytes.
    func mayBeCached(_ handle: HandleID) -> Bool {
        guard case .pinned(_, let plaintext) = files[handle] else { return true }
        return !plaintext.varies
    }

    /// The open file; a read of `.generation` from its start takes the number of now.
    mutating func file(_ handle: HandleID, readAt offset: UInt64, of generation: UInt64) -> OpenFile? {
        guard case .generation(var reader) = files[handle], offset == 0 || reader.shown == nil else {
            return files[handle]
        }
        reader.shown = generation
        files[handle] = .generation(reader)
        return .generation(reader)
    }

    mutating func poll(_ handle: HandleID, _ waker: PollWaker?, of generation: UInt64) -> Readiness {
        guard case .generation(var reader) = files[handle] else { return .readable }
        // Kept also where there is news: an edge-triggered epoll asks only when it was woken, not after the read.
        reader.waker = waker ?? reader.waker
        files[handle] = .generation(reader)
        return reader.shown == generation ? .quiet : .changed
    }

    /// Those who wait for a change; they ask again if they go on waiting.
    mutating func takeWakers() -> [PollWaker] {
        files.compactMap { id, file in
            guard case .generation(var reader) = file, let waker = reader.waker else { return nil }
            reader.waker = nil
            files[id] = .generation(reader)
            return waker
        }
    }
}
