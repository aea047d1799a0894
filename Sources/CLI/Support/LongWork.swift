import CLinux
import Console
import Glibc
import Store

/// Work that may take minutes: shows on a terminal how far it is, and ends in an orderly way at Ctrl-C.
///
/// Signals wait while it lasts. Its steps ask for them, so that what was half done is cleaned away; then the process
/// ends by the signal as it would have.
///
/// There is one only in the scope of `during`: whatever is made in it is gone before a signal that waited ends the
/// process.
final class LongWork {
    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    /// Work that is done sooner shows nothing.
    private static let silence = 1.0
    private static let interval = 0.1

    private let isShown: Bool
    private let start = LongWork.now
    private var lastShown = 0.0
    private var hasShown = false

    private init() { isShown = isatty(STDERR_FILENO) == 1 }

    static func during<T>(_ body: (LongWork) throws -> T) rethrows -> T {
        let work = LongWork()
        mask(SIG_BLOCK)
        defer {
            work.clear()
            // A signal that waited ends the process here.
            mask(SIG_UNBLOCK)
        }
        return try scope(work, body)
    }

    // A frame of its own: what `body` made is released when this returns, also by an error.
    @inline(never)
    private static func scope<T>(_ work: LongWork, _ body: (LongWork) throws -> T) rethrows -> T {
        try body(work)
    }

    /// What a step of `title` calls.
    ///
    /// - Returns: whether to go on.
    func advanced(_ title: String) -> (Progress) -> Bool {
        { progress in
            self.show(title, progress)
            return !Self.isInterrupted
        }
    }

    private func show(_ title: String, _ progress: Progress) {
        let now = Self.now
        guard isShown, now - start >= Self.silence, now - lastShown >= Self.interval else { return }
        lastShown = now
        hasShown = true
        let percent = Double(progress.done) / Double(max(progress.total, 1)) * 100
        Self.write("\rsecretfs: \(title) \(min(Int(percent), 100)) %   ")
    }

    private func clear() {
        if hasShown { Self.write("\r\u{1b}[K") }
    }

    private static func write(_ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = unsafe Glibc.write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }

    private static var now: Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static var isInterrupted: Bool {
        var pending = sigset_t()
        guard unsafe sigpending(&pending) == 0 else { return false }
        return signals.contains { unsafe sigismember(&pending, $0) == 1 }
    }

    private static func mask(_ how: Int32) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        for signal in signals { unsafe sigaddset(&set, signal) }
        unsafe pthread_sigmask(how, &set, nil)
    }
}
