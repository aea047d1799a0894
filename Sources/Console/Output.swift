import FoundationEssentials
import Glibc
package import Secrets

/// What commands print. Tables and sentences for people, JSON for scripts (`--json`).
package enum Output {
    package static func line(_ text: String) { write(text + "\n", to: STDOUT_FILENO) }
    /// For people watching; on stderr, so that it never mixes with what scripts read.
    package static func note(_ text: String) { write("secretfs: " + text + "\n", to: STDERR_FILENO) }

    package static func json(_ value: some Encodable) throws(Failure) { line(try jsonText(value)) }

    package static func jsonText(_ value: some Encodable) throws(Failure) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(value), let text = String(validating: data, as: UTF8.self) else {
            throw Failure(.damaged, "the answer cannot be written as JSON")
        }
        return text
    }

    /// An API key that was just made, on standard output: the only secret that a command ever shows, since the one who
    /// asked for it cannot have it otherwise.
    package static func key(_ before: String, _ key: SecretValue, _ after: String) throws(Failure) {
        let isWritten = key.withBytes { bytes in
            unsafe bytes.withUnsafeBytes { key in
                guard write(before, to: STDOUT_FILENO) else { return false }
                return unsafe write(key, to: STDOUT_FILENO) && write(after, to: STDOUT_FILENO)
            }
        }
        guard isWritten else { throw Failure(.io, "the key cannot be written: \(errnoText())") }
    }

    /// Columns as wide as their widest cell; the last one is not padded.
    package static func table(_ header: [String], _ rows: [[String]]) {
        let widths = header.indices.map { column in
            ([header] + rows).map { $0[column].count }.max() ?? 0
        }
        for row in [header] + rows {
            let cells = row.enumerated().map { column, cell in
                column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }
            line(cells.joined(separator: "  "))
        }
    }

    /// Writes all of `text`; a reader that left (EPIPE) ends the command quietly by signal.
    ///
    /// - Returns: whether all of it was written; else errno says why not.
    @discardableResult
    private static func write(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { unsafe write(UnsafeRawBufferPointer($0), to: descriptor) }
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
            let written = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { return false }
            done += written
        }
        return true
    }

    /// Whether colours help: on a terminal, unless NO_COLOR (no-color.org) is set.
    package static var isColourful: Bool { unsafe isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil }
}

/// Asks on the terminal before something is lost.
package enum Confirmation {
    /// - Throws: `Failure` unless the answer is yes. Without a terminal only `isGiven` counts.
    package static func require(_ question: String, isGiven: Bool) throws(Failure) {
        if isGiven { return }
        guard isatty(STDIN_FILENO) == 1 else {
            throw Failure(
                .usage, "this cannot be undone, and there is no terminal to ask on", hint: "say so: --yes")
        }
        guard ask(question) else { throw Failure(.usage, "not confirmed; nothing was changed") }
    }

    package static func ask(_ question: String) -> Bool {
        var text = question + " [y/N] "
        text.withUTF8 { bytes in _ = unsafe write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
        return ["y", "yes"].contains(readLine()?.lowercased())
    }
}

/// `count` with its unit.
package func inBytes(_ count: Int) -> String { count == 1 ? "1 byte" : "\(count) bytes" }
