import CLinux
import Glibc
package import Secrets
import Synchronization

/// Where values come in: a terminal without echo, standard input or a file. Straight into memory that wipes
/// itself; never through argv, a variable or a `String` (R1).
package enum ValueInput {
    /// - Parameters:
    ///   - path: `--value-file`; `-` and nil are standard input.
    ///   - chomp: drop one newline at the end.
    package static func read(path: String?, prompt: String, chomp: Bool) throws -> SecretValue {
        let isStandardInput = path == nil || path == "-"
        if isStandardInput, isatty(STDIN_FILENO) == 1 {
            let value = try prompted(prompt)
            guard value.count > 0 else { throw empty("nothing was typed") }
            return value
        }
        let value = try contents(of: path ?? "-", maximum: SecretValue.maximumCount)
        guard !isStandardInput || value.count > 0 else { throw empty("standard input was empty") }
        guard endsWithNewline(value) else { return value }
        if chomp { return try chomped(value) }
        if isStandardInput {
            Output.note(
                "hint: the value ends with a newline, which is kept; without it: --chomp, or printf %s")
        }
        return value
    }

    /// Mostly an accident.
    private static func empty(_ message: String) -> Failure {
        Failure(.badInput, message, hint: "a value that is meant to be empty: --value-file /dev/null")
    }

    private static let isStandardInputUnread = Mutex(true)

    /// All bytes of a file; `-` is standard input.
    package static func contents(of path: String, maximum: Int) throws -> SecretValue {
        guard path != "-" else {
            let isUnread = isStandardInputUnread.withLock { isUnread in
                defer { isUnread = false }
                return isUnread
            }
            guard isUnread else {
                throw Failure(
                    .usage, "standard input cannot be read twice", hint: "name a file for one of the two")
            }
            return try read(STDIN_FILENO, maximum: maximum)
        }
        let descriptor = Files.open(path, O_RDONLY | O_NOCTTY)
        guard descriptor >= 0 else {
            throw Failure(
                errno == EACCES ? .denied : .notFound, "the file cannot be read: \(errnoText())")
        }
        defer { close(descriptor) }
        return try read(descriptor, maximum: maximum)
    }

    /// What a terminal hands over of one line, without its newline (N_TTY_BUF_SIZE, termios(3)).
    private static let terminalMaximum = 4095

    /// A line from the terminal, not echoed, without its newline.
    package static func prompted(_ prompt: String) throws -> SecretValue {
        let line = try SilentTerminal.withLine(prompt) {
            try SecretValue(capacity: terminalMaximum + 1) { bytes in
                try append(to: &bytes, from: STDIN_FILENO)
            }
        }
        let value = try chomped(line)
        // The kernel drops what is typed or pasted beyond that, without a word.
        guard value.count < terminalMaximum else {
            throw Failure(
                .badInput, "a terminal takes at most \(terminalMaximum - 1) bytes, and the rest may be lost",
                hint: "use --value-file or a pipe")
        }
        return value
    }

    /// All that `descriptor` has, at most `maximum` bytes.
    private static func read(_ descriptor: Int32, maximum: Int) throws -> SecretValue {
        var value = try SecretValue(capacity: 4096) { try append(to: &$0, from: descriptor) }
        var capacity = 4096
        while value.count == capacity, capacity <= maximum {
            capacity = min(capacity * 4, maximum + 1)
            let before = value
            value = try SecretValue(capacity: capacity) { bytes in
                before.withBytes { bytes.append(copying: $0) }
                try append(to: &bytes, from: descriptor)
            }
        }
        guard value.count <= maximum else {
            throw Failure(
                .badInput, "the input has more than \(maximum) bytes, the most that is taken")
        }
        return value
    }

    /// Reads until `bytes` is full or the input ends; from a terminal, one line.
    private static func append(to bytes: inout OutputRawSpan, from descriptor: Int32) throws {
        let isTerminal = isatty(descriptor) == 1
        while bytes.freeCapacity > 0 {
            let got = unsafe bytes.withUnsafeMutableBytes { buffer, count in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[count...])
                let got = unsafe Glibc.read(descriptor, rest.baseAddress, rest.count)
                count += max(got, 0)
                return got
            }
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw Failure(.io, "the value cannot be read: \(errnoText())") }
            if got == 0 || isTerminal { return }
        }
    }

    private static func endsWithNewline(_ value: SecretValue) -> Bool {
        value.withBytes { bytes in
            guard bytes.byteCount > 0 else { return false }
            return unsafe bytes.unsafeLoad(fromByteOffset: bytes.byteCount - 1, as: UInt8.self)
                == UInt8(ascii: "\n")
        }
    }

    package static func chomped(_ value: SecretValue) throws -> SecretValue {
        guard endsWithNewline(value) else { return value }
        return try value.withBytes { try SecretValue(copying: $0.extracting(droppingLast: 1)) }
    }
}

/// The words of the present errno.
package func errnoText(_ code: Int32 = errno) -> String { unsafe String(cString: strerror(code)) }

extension Output {
    package static func prompt(_ text: String) {
        var text = text
        text.withUTF8 { bytes in _ = unsafe write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}
