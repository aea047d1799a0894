import CShim

/// The exit statuses that are the shim's own, as env(1) has them; all others are the program's.
enum ExitStatus {
    /// The shim refused, and the program was not started.
    static let refused: Int32 = 125
    /// The program was found and cannot be executed.
    static let notExecutable: Int32 = 126
    /// The program was not found.
    static let notFound: Int32 = 127
}

/// Writes `secretfs-env: error: …` and `secretfs-env: hint: …` to standard error, both in one write, and ends.
func fail(status: Int32 = ExitStatus.refused, _ message: Message, hint: Message? = nil) -> Never {
    var output = Message()
    output.append("secretfs-env: error: ", message)
    if let hint { output.append("secretfs-env: hint: ", hint) }
    end(output.text, status)
}

/// A message needs memory too, so this one is ready made.
func failWithoutMemory() -> Never {
    end(Text("secretfs-env: error: there is no memory\n"), ExitStatus.refused)
}

private func end(_ text: Text, _ status: Int32) -> Never {
    // If standard error takes nothing, the status must tell.
    try? Kernel.write(text, to: 2)
    shim_exit(status)
}

/// A line for people; what does not fit `capacity` bytes is cut. It takes literals, numbers and names.
/// Values are never a `Text` of their own, so none gets in by accident (R1).
struct Message: ExpressibleByStringInterpolation {
    private static let capacity = 4096
    private let memory: UnsafeMutablePointer<UInt8>
    private var count = 0

    fileprivate init() { memory = allocate(Self.capacity) }
    init(stringLiteral: StaticString) {
        self.init()
        add(Text(stringLiteral))
    }
    init(stringInterpolation: Interpolation) { self = stringInterpolation.message }

    fileprivate mutating func append(_ label: StaticString, _ line: Message) {
        add(Text(label))
        // Keeps room for the end of the line.
        add(line.text.prefix(Message.capacity - count - 1))
        add(UInt8(ascii: "\n"))
    }

    fileprivate mutating func add(_ byte: UInt8) {
        guard count < Message.capacity else { return }
        memory[count] = byte
        count += 1
    }

    fileprivate mutating func add(_ text: Text) {
        for index in 0..<text.count { add(text[index]) }
    }

    /// Adds at most 96 bytes of `name`, everything but printable ASCII as `\xNN`, so that a hostile name
    /// cannot drive the terminal that shows it.
    fileprivate mutating func addPrintable(_ name: Text) {
        let digits: StaticString = "0123456789abcdef"
        for index in 0..<min(name.count, 96) {
            let byte = name[index]
            guard byte < 0x20 || byte > 0x7e || byte == UInt8(ascii: "\\") else { add(byte); continue }
            add(Text("\\x"))
            add(digits.utf8Start[Int(byte >> 4)])
            add(digits.utf8Start[Int(byte & 15)])
        }
        if name.count > 96 { add(Text("…")) }
    }

    fileprivate mutating func add(_ number: Int) {
        guard number >= 0 else { add(UInt8(ascii: "-")); return add(-number) }
        if number > 9 { add(number / 10) }
        add(UInt8(ascii: "0") + UInt8(number % 10))
    }

    fileprivate var text: Text { Text(memory, count: count) }

    struct Interpolation: StringInterpolationProtocol {
        typealias StringLiteralType = StaticString
        fileprivate var message = Message()
        init(literalCapacity: Int, interpolationCount: Int) {}
        mutating func appendLiteral(_ literal: StaticString) { message.add(Text(literal)) }
        mutating func appendInterpolation(_ name: Text) { message.addPrintable(name) }
        mutating func appendInterpolation(_ number: Int) { message.add(number) }
        mutating func appendInterpolation(_ part: Message) {
            message.add(part.text)
        }
        mutating func appendInterpolation(_ error: SystemError) { error.describe(in: &message) }
    }
}

/// An errno, in words.
struct SystemError: Error {
    let code: Int32

    fileprivate func describe(in message: inout Message) {
        switch code {
        case EPERM: message.add(Text("the operation is not permitted"))
        case ENOENT: message.add(Text("there is no such file"))
        case EIO: message.add(Text("input/output error"))
        case E2BIG: message.add(Text("the arguments are too long"))
        case ENOEXEC: message.add(Text("it is not a program"))
        case ENOMEM: message.add(Text("there is no memory"))
        case EACCES: message.add(Text("permission denied"))
        case ENODEV, ENXIO: message.add(Text("there is no such device"))
        case ENOTDIR: message.add(Text("a part of the path is not a directory"))
        case EISDIR: message.add(Text("it is a directory"))
        case ENFILE, EMFILE: message.add(Text("too many files are open"))
        case ETXTBSY: message.add(Text("the program is being written"))
        case ENAMETOOLONG: message.add(Text("the path is too long"))
        case ELOOP: message.add(Text("too many symbolic links"))
        case ENOTCONN: message.add(Text("the mount's agent is gone"))
        case ESTALE: message.add(Text("the file was replaced"))
        case ETIMEDOUT: message.add(Text("it took too long"))
        default:
            message.add(Text("error "))
            message.add(Int(code))
        }
    }
}
