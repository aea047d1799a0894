import Foundation
import Glibc
import Testing

/// A program that runs beside the test, killed when this object goes or when its deadline has passed.
final class ChildProcess {
    private let process = Process()
    private let output = Pipe()
    private let deadline: DispatchWorkItem
    private var rest: [UInt8] = []

    /// The store's second process, built beside the tests.
    static let writerPath = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "TestStoreWriter").path

    static func writer(_ arguments: String...) throws -> ChildProcess {
        try ChildProcess(writerPath, arguments)
    }

    init(_ program: String, _ arguments: [String], seconds: Int = 90) throws {
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        let process = process
        deadline = DispatchWorkItem {
            if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
        }
        try process.run()
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds), execute: deadline)
    }

    deinit {
        kill()
    }

    func kill() {
        if process.isRunning { Glibc.kill(process.processIdentifier, SIGKILL) }
        process.waitUntilExit()
        deadline.cancel()
    }

    /// The next line of its output; nil at its end.
    func line() -> String? {
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                let line = String(decoding: rest[..<end], as: UTF8.self)
                rest.removeSubrange(...end)
                return line
            }
            var buffer = [UInt8](repeating: 0, count: 4096)
            // FileHandle would trap when a signal interrupts it.
            let count = read(output.fileHandleForReading.fileDescriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            rest += buffer[..<count]
        }
    }

    /// All lines until its end, and its exit status.
    func finish() -> (lines: [String], status: Int32) {
        var lines: [String] = []
        while let line = line() { lines.append(line) }
        process.waitUntilExit()
        deadline.cancel()
        return (lines, process.terminationStatus)
    }
}

/// Runs a system command that must succeed.
func run(_ program: String, _ arguments: String...) throws {
    let (lines, status) = try ChildProcess("/usr/bin/env", [program] + arguments).finish()
    try #require(status == 0, "\(program) \(arguments): \(lines.joined(separator: "\n"))")
}
