import Secrets
import Synchronization

/// SHA-256 of program files, kept as long as the file does not change: device, inode, size, mtime and ctime.
///
/// Every write changes the ctime, which nobody can set. Two writes within one tick of the clock (some milliseconds)
/// show one ctime, so a file that was changed in the last two seconds is hashed each time.
final class ExecutableHashes: Sendable {
    /// Larger programs match no hash. Reading this much takes some tenths of a second, and other mounts of the same
    /// worker wait that long, each time somebody comes with a file that is not known (docs/SEMANTICS.md#callers).
    static let maximumCount = 256 << 20
    static let maximumFiles = 256
    /// In seconds: how long ago a file must have been changed to be kept.
    private static let settled = 2

    private let hash: @Sendable (_ descriptor: Int32, _ count: Int) -> [UInt8]?
    private let known = Mutex<[FileIdentity: [UInt8]]>([:])

    init(_ hash: @escaping @Sendable (_ descriptor: Int32, _ count: Int) -> [UInt8]?) { self.hash = hash }

    /// - Returns: nil if `descriptor` is not the file of `expected`, or it changes while it is read, or is too long.
    func sha256(of descriptor: Int32, expecting expected: FileIdentity) -> [UInt8]? {
        guard let before = FileIdentity(descriptor: descriptor), before == expected, before.isRegular,
            before.count <= Self.maximumCount
        else { return nil }
        if let kept = known.withLock({ $0[before] }) { return kept }
        guard let found = hash(descriptor, before.count), found.count == 32,
            FileIdentity(descriptor: descriptor) == before
        else { return nil }
        guard isSettled(before) else { return found }
        known.withLock { known in
            if known.count >= Self.maximumFiles { known.removeAll() }
            known[before] = found
        }
        return found
    }

    private func isSettled(_ file: FileIdentity) -> Bool {
        let now = Int(clamping: Timestamp.now().seconds)
        // A clock that was set back makes a file of the future: not settled before its time.
        return file.changed.seconds < now - Self.settled
    }
}
