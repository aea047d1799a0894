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

    @safe private struct Pool: ~Copyable {
        /// Free pieces by size class; all of them wiped.
        // SAFETY: a piece is in this list or with exactly one owner, never both.
        nonisolated(unsafe) var free: [[UnsafeMutableRawPointer]] = unsafe Array(repeating: [], count: 7)
    }
    private static let pool = Mutex(Pool())

    /// Memory of at least `count` bytes, `count` > 0.
    static func take(_ count: Int) throws(SecretMemoryError) -> UnsafeMutableRawBufferPointer {
        guard count <= largestSmall else { return try unsafe mapRegion(count) }
        let index = sizeClass(count)
        let piece = try pool.withLock { pool throws(SecretMemoryError) -> SendablePiece in
            if unsafe pool.free[index].isEmpty { try refill(&pool, index) }
            return unsafe SendablePiece(pool.free[index].removeLast())
        }
        return unsafe UnsafeMutableRawBufferPointer(start: piece.start, count: count)
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
        let index = sizeClass(memory.count)
        let piece = unsafe SendablePiece(start)
        pool.withLock { pool in unsafe pool.free[index].append(piece.start) }
    }

    private static func sizeClass(_ count: Int) -> Int {
        let rounded = max(count, smallestSmall) - 1
        return (Int.bitWidth - rounded.leadingZeroBitCount) - smallestSmall.trailingZeroBitCount
    }

    private static func refill(_ pool: inout Pool, _ index: Int) throws(SecretMemoryError) {
        let region = try unsafe mapRegion(regionBytes)
        let size = smallestSmall << index
        for offset in stride(from: 0, to: regionBytes, by: size) {
            if let start = region.baseAddress { unsafe pool.free[index].append(start + offset) }
        }
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
