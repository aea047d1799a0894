import CLinux
import Glibc

/// A joinable thread that no signal is delivered to: signals are the main thread's business.
package struct Thread: Sendable {
    private let identifier: pthread_t

    /// - Parameter name: at most 15 bytes; `ps -L` shows it.
    /// - Throws: `.resources`; no thread was started.
    package init(named name: String, _ body: @escaping @Sendable () -> Void) throws(SessionError) {
        let box = unsafe Unmanaged.passRetained(Start(name: name, body: body))
        var all = sigset_t()
        var before = sigset_t()
        unsafe sigfillset(&all)
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        var identifier = pthread_t()
        let result = unsafe pthread_create(
            &identifier, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                _ = unsafe start.name.withCString { unsafe linux_name_thread($0) }
                start.body()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            unsafe box.release()
            throw .resources(errno: result)
        }
        self.identifier = identifier
    }

    package func join() { pthread_join(identifier, nil) }

    /// Lets it end by itself; instead of `join`.
    package func detach() { pthread_detach(identifier) }
}

private final class Start: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}
