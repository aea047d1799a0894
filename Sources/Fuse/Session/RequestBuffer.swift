/// Where a worker receives requests, one at a time. A request from a read-only mount carries names and
/// flags, never a value.
@safe final class RequestBuffer {
    /// The largest payload of one request or READ answer, in bytes: 1 MiB, the kernel's limit.
    static let maximumPayload = 1_048_576
    /// The kernel refuses to fill a buffer that could not hold the largest request and its headers.
    private static let headerRoom = 4096

    // Only the first page or two are ever touched, so this takes address space and no memory.
    let memory: UnsafeMutableRawBufferPointer

    init() {
        unsafe memory = .allocate(byteCount: Self.maximumPayload + Self.headerRoom, alignment: 4096)
    }
    deinit { unsafe memory.deallocate() }
}
