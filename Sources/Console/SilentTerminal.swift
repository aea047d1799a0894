import CLinux
import Glibc

/// Standard input's terminal while a value is typed: without echo, which it gets back however the prompt ends,
/// by a signal too.
package enum SilentTerminal {
    /// Shows `prompt`, and answers when a line can be read with `body`.
    ///
    /// A signal that ends or stops the process does so after the terminal has its echo again; when a stopped
    /// process goes on, the prompt is shown once more.
    package static func withLine<R>(_ prompt: String, _ body: () throws -> R) throws -> R {
        let (reader, writer) = try Files.pipe()
        while true {
            // First, so that at no moment a signal finds the terminal silent and ends us.
            linux_catch_terminal_signals(writer.raw)
            let before = try silence()
            Output.prompt(prompt)
            guard let signal = waitForLine(reader) else {
                defer { restore(before) }
                return try body()
            }
            restore(before)
            raise(Int32(signal))
        }
    }

    /// - Returns: the settings to put back.
    private static func silence() throws(Failure) -> termios {
        var before = termios()
        var result = unsafe tcgetattr(STDIN_FILENO, &before)
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        silent.c_lflag |= tcflag_t(ICANON | ECHONL)
        if result == 0 { result = unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) }
        guard result == 0 else {
            linux_release_terminal_signals()
            throw Failure(.io, "the terminal's echo cannot be turned off", hint: "use --value-file or a pipe")
        }
        return before
    }

    private static func restore(_ before: termios) {
        var before = before
        unsafe tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
        linux_release_terminal_signals()
    }

    /// - Returns: nil when there is a line, or the end of input; else the signal that came first.
    private static func waitForLine(_ signals: OwnedDescriptor) -> UInt8? {
        var waiting = [
            pollfd(fd: signals.raw, events: Int16(POLLIN), revents: 0),
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
        ]
        while unsafe poll(&waiting, 2, -1) < 0 && errno == EINTR {}
        var signal: UInt8 = 0
        guard waiting[0].revents != 0, unsafe read(signals.raw, &signal, 1) == 1 else { return nil }
        return signal
    }
}
