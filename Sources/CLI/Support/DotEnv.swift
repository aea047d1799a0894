import Console
import Secrets

/// A `.env` file, parsed where its values may be: in memory that wipes itself, never as text.
///
/// One `NAME=value` a line, `export ` before it and blanks around the `=` allowed; empty lines and lines that
/// start with `#` are skipped. A value is plain (spaces around it dropped, ` #` starts a comment), in single quotes (as it
/// stands) or in double quotes (`\n \r \t \" \\ \$ \``); quoted values may span lines. `$NAME` is not
/// expanded: what is imported is what is written.
struct DotEnv {
    struct Variable {
        let name: EnvironmentName
        let value: SecretValue
    }

    /// - Throws: `Failure` naming the line; `NameError`; `SecretMemoryError`.
    static func parse(_ file: SecretValue) throws -> [Variable] {
        try file.withBytes { bytes in
            var parser = Parser()
            parser.skipByteOrderMark(bytes)
            var variables: [Variable] = []
            var seen: Set<EnvironmentName> = []
            while let variable = try parser.next(in: bytes) {
                guard seen.insert(variable.name).inserted else {
                    throw Failure(.badInput, "line \(parser.line): \(variable.name) was given before")
                }
                variables.append(variable)
            }
            return variables
        }
    }

    private struct Parser {
        private var offset = 0
        private(set) var line = 1

        private func byte(_ file: RawSpan, at offset: Int) -> UInt8? {
            guard offset < file.byteCount else { return nil }
            return unsafe file.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
        }
        private func current(_ file: RawSpan) -> UInt8? { byte(file, at: offset) }

        private func byteAfterBlanks(_ file: RawSpan) -> UInt8? {
            var index = offset
            while let byte = byte(file, at: index), byte == space || byte == tab { index += 1 }
            return byte(file, at: index)
        }

        /// Editors of Windows put one before UTF-8.
        mutating func skipByteOrderMark(_ file: RawSpan) {
            if byte(file, at: 0) == 0xEF, byte(file, at: 1) == 0xBB, byte(file, at: 2) == 0xBF { offset = 3 }
        }

        private mutating func advance(_ file: RawSpan) {
            if current(file) == newline { line += 1 }
            offset += 1
        }
        private mutating func skipBlanks(_ file: RawSpan) {
            while let byte = current(file), byte == space || byte == tab { advance(file) }
        }

        mutating func next(in file: RawSpan) throws -> Variable? {
            while true {
                skipBlanks(file)
                switch current(file) {
                case nil: return nil
                case newline, carriageReturn: advance(file)
                case UInt8(ascii: "#"): skipLine(file)
                default: return try variable(file)
                }
            }
        }

        private mutating func skipLine(_ file: RawSpan) {
            while let byte = current(file), byte != newline { advance(file) }
        }

        private mutating func variable(_ file: RawSpan) throws -> Variable {
            var name = try word(file)
            if name == "export", let byte = current(file), byte == space || byte == tab {
                skipBlanks(file)
                name = try word(file)
            }
            skipBlanks(file)
            let parsed: EnvironmentName
            // Not the name itself: it may be a piece of a value that somebody forgot to quote.
            do { parsed = try EnvironmentName(name) } catch {
                throw Failure(
                    .badInput,
                    "line \(line) does not start with a valid environment variable name: \(error.reason)")
            }
            guard current(file) == UInt8(ascii: "=") else {
                throw Failure(
                    .badInput, "line \(line) has no “=” after a name", hint: "NAME=value, one a line")
            }
            advance(file)
            skipBlanks(file)
            return Variable(name: parsed, value: try value(file))
        }

        /// What stands before a blank or `=`. A name, so text; but a line without `=` may be part of a value
        /// that somebody forgot to quote, so no error ever shows it whole.
        private mutating func word(_ file: RawSpan) throws -> String {
            var bytes: [UInt8] = []
            while let byte = current(file), byte != space, byte != tab, byte != newline,
                byte != UInt8(ascii: "=")
            {
                let isName =
                    byte == UInt8(ascii: "_") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                guard isName, bytes.count < EnvironmentName.maximumCount else {
                    throw Failure(
                        .badInput,
                        "line \(line) does not start with a valid environment variable name and “=”",
                        hint: "NAME=value, one a line; a value that spans lines needs quotes")
                }
                bytes.append(byte)
                advance(file)
            }
            guard byteAfterBlanks(file) == UInt8(ascii: "=") || bytes == Array("export".utf8) else {
                throw Failure(
                    .badInput, "line \(line) has no “=” after a name", hint: "NAME=value, one a line")
            }
            return String(decoding: bytes, as: UTF8.self)
        }

        private mutating func value(_ file: RawSpan) throws -> SecretValue {
            switch current(file) {
            case UInt8(ascii: "'"): try quoted(file, UInt8(ascii: "'"), escapes: false)
            case UInt8(ascii: "\""): try quoted(file, UInt8(ascii: "\""), escapes: true)
            default: try plain(file)
            }
        }

        private mutating func plain(_ file: RawSpan) throws -> SecretValue {
            // “NAME==” is the end of base64 text far more often than a variable.
            guard current(file) != UInt8(ascii: "=") else {
                throw Failure(
                    .badInput, "line \(line): a value that starts with “=” needs quotes",
                    hint: "and so does a value that spans lines")
            }
            let start = offset
            var end = start
            var isAfterBlank = true
            while let byte = current(file), byte != newline, !(byte == UInt8(ascii: "#") && isAfterBlank) {
                advance(file)
                isAfterBlank = byte == space || byte == tab
                if !isAfterBlank, byte != carriageReturn { end = offset }
            }
            skipLine(file)
            return try SecretValue(copying: file.extracting(start..<end))
        }

        private mutating func quoted(_ file: RawSpan, _ quote: UInt8, escapes: Bool) throws -> SecretValue {
            let openingLine = line
            advance(file)
            guard let end = closingQuote(file, quote, escapes: escapes) else {
                throw Failure(.badInput, "line \(openingLine): the quote is not closed")
            }
            let value = try SecretValue(capacity: end - offset) { bytes in
                while offset < end, let byte = current(file) {
                    advance(file)
                    guard escapes, byte == UInt8(ascii: "\\"), let escaped = current(file) else {
                        bytes.append(byte)
                        continue
                    }
                    advance(file)
                    append(escaped, into: &bytes)
                }
            }
            advance(file)
            skipBlanks(file)
            if current(file) == UInt8(ascii: "#") { skipLine(file) }
            if current(file) == carriageReturn { advance(file) }
            guard current(file) == nil || current(file) == newline else {
                throw Failure(.badInput, "line \(line): there is more after the closing quote")
            }
            return value
        }

        /// Where the quote that was just opened closes.
        private func closingQuote(_ file: RawSpan, _ quote: UInt8, escapes: Bool) -> Int? {
            var index = offset
            while let byte = byte(file, at: index) {
                if byte == quote { return index }
                index += escapes && byte == UInt8(ascii: "\\") ? 2 : 1
            }
            return nil
        }

        private func append(_ escaped: UInt8, into bytes: inout OutputRawSpan) {
            switch escaped {
            case UInt8(ascii: "n"): bytes.append(newline)
            case UInt8(ascii: "r"): bytes.append(carriageReturn)
            case UInt8(ascii: "t"): bytes.append(tab)
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "$"), UInt8(ascii: "`"):
                bytes.append(escaped)
            default:
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(escaped)
            }
        }
    }
}

private let newline = UInt8(ascii: "\n")
private let carriageReturn = UInt8(ascii: "\r")
private let space = UInt8(ascii: " ")
private let tab = UInt8(ascii: "\t")
