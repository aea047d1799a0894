import CLinux

/// The keys that epoll reported as ready.
@safe struct ReadyList: ~Copyable {
    private let events: UnsafeMutableBufferPointer<epoll_event>
    private(set) var count = 0

    init() { unsafe events = .allocate(capacity: 64) }
    deinit { unsafe events.deallocate() }

    subscript(index: Int) -> UInt64 {
        precondition(index < count)
        return unsafe events.baseAddress.map { unsafe linux_epoll_key($0 + index) } ?? 0
    }

    /// Waits for `timeout` milliseconds, -1: for ever, until something is ready.
    mutating func fill(from epoll: Int32, timeout: Int32) {
        let found = unsafe epoll_wait(epoll, events.baseAddress, Int32(events.count), timeout)
        // -1 is EINTR (a debugger, a stop signal): nothing is ready.
        count = max(0, Int(found))
    }
}
