import Glibc
import Synchronization

/// Why memory for a value could not be had. Nothing was stored.
package enum SecretMemoryError: Error, Equatable {
    /// `mlock` was refused: `RLIMIT_MEMLOCK` is used up, in bytes.
    case lockLimit(Int)
    /// The kernel has no memory.
    case exhausted
}

/// Memory that is never swapped, never in a core file, and zero once it is given back.
///
/// Small pieces share pages (locking a page per value would cost four system calls and 4 KiB each);
/// a piece over `largestSmall` bytes has a mapping of its own.
@safe enum SecretMemory {
    /// Pieces up to this many bytes come from shared pages.
    static let largestSmall = 4096
    private static let smallestSmall = 64
    private static let regionBytes = 65_536

    /// Pieces that are free. There are several, by thread: of many threads on few processors, one that does not run while
    /// it holds the lock would hold up all of them.
    @safe private struct Pool: ~Copyable {
        /// Free pieces by size class; all of them wiped.
        // SAFETY: a piece is in this list or with exactly one owner, never both.
        nonisolated(unsafe) var free: [[UnsafeMutableRawPointer]] = unsafe Array(repeating: [], count: 7)
    }
    private final class Shelf: Sendable {
        private let pool = Mutex(Pool())

        func take(_ index: Int) -> SendablePiece? {
            pool.withLock { pool in
                guard let last = unsafe pool.free[index].popLast() else { return nil }
                return unsafe SendablePiece(last)
            }
        }

        func put(_ piece: SendablePiece, _ index: Int) {
            pool.withLock { pool in unsafe pool.free[index].append(piece.start) }
        }

        func put(_ pieces: [SendablePiece], _ index: Int) {
            pool.withLock { pool in for piece in pieces { unsafe pool.free[index].append(piece.start) } }
        }
    }
    private static let shelves = (0..<8).map { _ in Shelf() }
    private static let refill = Mutex<Void>(())

    /// The shelf of this thread. A piece may come back to another one.
    private static var ownShelf: Int {
        // Where a thread is described is some pages from where the next one is.
        Int(truncatingIfNeeded: (UInt64(pthread_self()) >> 12) % 8191) % shelves.count
    }

    /// Memory of at least `count` bytes, `count` > 0.
    static func take(_ count: Int) throws(SecretMemoryError) -> UnsafeMutableRawBufferPointer {
        guard count <= largestSmall else { return try unsafe mapRegion(count) }
        let piece = try piece(sizeClass(count))
        return unsafe UnsafeMutableRawBufferPointer(start: piece.start, count: count)
    }

    /// From this thread's shelf, or another's before more memory is locked: what one thread takes, another may give back.
    private static func piece(_ index: Int) throws(SecretMemoryError) -> SendablePiece {
        let own = ownShelf
        if let piece = freePiece(index, from: own) { return piece }
        // One at a time: what could be locked last may be another thread's, on its way to a shelf.
        return try refill.withLock { _ throws(SecretMemoryError) in
            if let piece = freePiece(index, from: own) { return piece }
            var pieces = try newPieces(index)
            let piece = pieces.removeLast()
            shelves[own].put(pieces, index)
            return piece
        }
    }

    private static func freePiece(_ index: Int, from own: Int) -> SendablePiece? {
        for offset in shelves.indices {
            if let piece = shelves[(own + offset) % shelves.count].take(index) { return piece }
        }
        return nil
    }

    /// Wipes and takes back what `take` gave, all of it.
    static func giveBack(_ memory: UnsafeMutableRawBufferPointer) {
        guard let start = memory.baseAddress else { return }
        // Not memset: the compiler may drop a store that nothing reads.
        unsafe explicit_bzero(start, memory.count)
        guard memory.count <= largestSmall else {
            unsafe munmap(start, wholePages(memory.count))
            return
        }
        shelves[ownShelf].put(unsafe SendablePiece(start), sizeClass(memory.count))
    }

    private static func sizeClass(_ count: Int) -> Int {
        let rounded = max(count, smallestSmall) - 1
        return (Int.bitWidth - rounded.leadingZeroBitCount) - smallestSmall.trailingZeroBitCount
    }

    /// - Returns: one at least.
    private static func newPieces(_ index: Int) throws(SecretMemoryError) -> [SendablePiece] {
        let region = try unsafe mapRegion(regionBytes)
        let size = smallestSmall << index
        guard let start = region.baseAddress else { throw .exhausted }
        return stride(from: 0, to: regionBytes, by: size).map { unsafe SendablePiece(start + $0) }
    }

    private static func mapRegion(_ count: Int) throws(SecretMemoryError) -> UnsafeMutableRawBufferPointer {
        let length = wholePages(count)
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let start = unsafe mmap(nil, length, PROT_READ | PROT_WRITE, flags, -1, 0),
            unsafe start != MAP_FAILED
        else { throw .exhausted }
        // A swapped page survives on disk. Without the lock there is no value: fail closed.
        guard unsafe mlock(start, length) == 0 else {
            unsafe munmap(start, length)
            throw .lockLimit(lockLimit())
        }
        unsafe madvise(start, length, MADV_DONTDUMP)
        // A child made by a library's fork() must not inherit plaintext.
        unsafe madvise(start, length, MADV_WIPEONFORK)
        return unsafe UnsafeMutableRawBufferPointer(start: start, count: count)
    }

    private static func wholePages(_ count: Int) -> Int { (count + 4095) & ~4095 }

    private static func lockLimit() -> Int {
        var limit = rlimit()
        unsafe getrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit)
        return Int(clamping: limit.rlim_cur)
    }
}

/// A piece on its way through the pool's lock.
@safe private struct SendablePiece: Sendable {
    // SAFETY: one owner at a time; the pool's lock orders the hand-over.
    nonisolated(unsafe) let start: UnsafeMutableRawPointer
    init(_ start: UnsafeMutableRawPointer) { unsafe self.start = start }
}

/// For copies of keys that a library's form needs for a moment. Not memset, which may be dropped.
package func wipe(_ bytes: UnsafeMutableRawBufferPointer) {
    if let start = bytes.baseAddress { unsafe explicit_bzero(start, bytes.count) }
}
