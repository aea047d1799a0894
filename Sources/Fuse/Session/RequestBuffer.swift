import Glibc

/// Where a worker receives requests, one at a time. A request from a read-only mount carries names and flags,
/// never a value; one from a writable mount may carry a value, so there the memory is locked, left out of dumps,
/// and wiped after each request.
@safe final class RequestBuffer: Sendable {
    /// The largest payload of one request or READ answer, in bytes: 1 MiB, the kernel's limit.
    static let maximumPayload = 1_048_576
    /// The largest WRITE of a writable mount: locked memory is scarce, and values are short.
    static let maximumWrite = 131_072
    /// The kernel refuses to fill a buffer that could not hold the largest request and its headers.
    private static let headerRoom = 4096

    // Unless locked, only the first page or two are ever touched, so this takes address space and no memory.
    // SAFETY: used by one thread, its worker's.
    nonisolated(unsafe) let memory: UnsafeMutableRawBufferPointer
    private let carriesValues: Bool

    init() {
        unsafe memory = .allocate(byteCount: Self.maximumPayload + Self.headerRoom, alignment: 4096)
        carriesValues = false
    }

    /// For values.
    ///
    /// - Throws: `.resources`; without the lock there is no memory.
    init(locked: Void) throws(SessionError) {
        let count = Self.maximumWrite + Self.headerRoom
        let flags = MAP_PRIVATE | MAP_ANONYMOUS
        guard let start = unsafe mmap(nil, count, PROT_READ | PROT_WRITE, flags, -1, 0),
            unsafe start != MAP_FAILED
        else { throw .resources(errno: errno) }
        guard unsafe mlock(start, count) == 0 else {
            let failure = errno
            unsafe munmap(start, count)
            throw .resources(errno: failure)
        }
        unsafe madvise(start, count, MADV_DONTDUMP)
        unsafe madvise(start, count, MADV_WIPEONFORK)
        unsafe memory = UnsafeMutableRawBufferPointer(start: start, count: count)
        carriesValues = true
    }

    deinit {
        guard carriesValues, let start = unsafe memory.baseAddress else { return unsafe memory.deallocate() }
        unsafe munmap(start, memory.count)
    }

    /// A request of `count` bytes was answered.
    func wipe(_ count: Int) {
        guard carriesValues, let start = unsafe memory.baseAddress else { return }
        // Not memset: the compiler may drop a store that nothing reads.
        unsafe explicit_bzero(start, min(count, memory.count))
    }
}
