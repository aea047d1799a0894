import CShim

/// Becomes the program, as execvp(3) would.
///
/// It is looked up in the PATH that the shim itself was started with, so that no entry decides what runs.
struct Launch {
    /// As the GNU C library's execvp(3) has it.
    private static let defaultPath: StaticString = "/bin:/usr/bin"
    private static let shell: StaticString = "/bin/sh"

    let options: Options
    let environment: Environment
    let variables: List<Variable>
    /// The inherited PATH.
    let path: Text?

    private var program: Text {
        Text(cString: options.program[0] ?? UnsafeMutablePointer(mutating: Text("").cString))
    }

    func run() -> Never {
        let program = program
        guard !program.isEmpty else { fail(status: ExitStatus.notFound, "the program's name is empty") }
        guard program.firstIndex(of: UInt8(ascii: "/")) == nil else { failToRun(program, execute(program)) }

        var wasDenied: Text?
        forEachCandidate(program) { candidate in
            let error = execute(candidate)
            switch error.code {
            case EACCES: wasDenied = candidate
            case ENOENT, ENOTDIR, ENODEV, ESTALE, ETIMEDOUT, ENAMETOOLONG, ELOOP: break
            default: failToRun(candidate, error)
            }
        }
        if let wasDenied { failToRun(wasDenied, SystemError(code: EACCES)) }
        forEachCandidate(program) { candidate in
            if Kernel.exists(candidate) { failToRun(candidate, SystemError(code: ENOENT)) }
        }
        failNotFound(program)
    }

    private func forEachCandidate(_ program: Text, _ body: (Text) -> Void) {
        var rest = path ?? Text(Self.defaultPath)
        while true {
            let colon = rest.firstIndex(of: UInt8(ascii: ":"))
            let directory = rest.prefix(colon ?? rest.count)
            // An empty part is the working directory (POSIX).
            body(joined(directory.isEmpty ? Text(".") : directory, Text("/"), program))
            guard let colon else { return }
            rest = rest.dropFirst(colon + 1)
        }
    }

    /// Why `file` was not executed. A script without `#!` is given to the shell, as env(1) and shells do.
    private func execute(_ file: Text) -> SystemError {
        var arguments = List<UnsafeMutablePointer<CChar>?>(capacity: options.programCount + 2)
        guard let strings = environment.strings.start, let shellArguments = arguments.start else {
            failWithoutMemory()
        }
        let error = Kernel.execute(file, options.program, strings)
        guard error.code == ENOEXEC, !isBinary(file) else { return error }

        arguments.append(UnsafeMutablePointer(mutating: Text("sh").cString))
        arguments.append(UnsafeMutablePointer(mutating: file.cString))
        // With the NULL that ends them.
        for index in 1...options.programCount { arguments.append(options.program[index]) }
        let shellError = Kernel.execute(Text(Self.shell), shellArguments, strings)
        guard shellError.code == ENOENT else { return shellError }
        fail(status: ExitStatus.notFound, "“\(file)” is a script without a #! line, and there is no /bin/sh")
    }

    /// Whether `file` is no text: a NUL in its first line. A program for another processor, say, whose bytes
    /// a shell would take for commands.
    private func isBinary(_ file: Text) -> Bool {
        let start = allocate(256)
        guard let descriptor = try? Kernel.open(file) else { return true }
        defer { Kernel.close(descriptor) }
        guard let count = try? Kernel.read(descriptor, into: start, count: 256) else { return true }
        let beginning = Text(start, count: count)
        let line = beginning.prefix(beginning.firstIndex(of: UInt8(ascii: "\n")) ?? beginning.count)
        return line.firstIndex(of: 0) != nil
    }

    private func failToRun(_ file: Text, _ error: SystemError) -> Never {
        switch error.code {
        case E2BIG: KernelLimit.failTooLarge(nil, variables)
        case ENOENT where Kernel.exists(file):
            fail(
                status: ExitStatus.notFound, "“\(file)” is there, but what it needs to run is not",
                hint: "its #! line or its loader names a file that does not exist here")
        case ENOENT, ENOTDIR: fail(status: ExitStatus.notFound, "there is no program “\(file)”")
        case ENOEXEC:
            fail(
                status: ExitStatus.notExecutable, "“\(file)” is not a program for this machine",
                hint: "it was built for another processor, or it is damaged")
        default: fail(status: ExitStatus.notExecutable, "“\(file)” cannot be executed: \(error)")
        }
    }

    private func failNotFound(_ program: Text) -> Never {
        guard let path else {
            fail(
                status: ExitStatus.notFound, "there is no program “\(program)” in /bin and /usr/bin",
                hint: "PATH is not set")
        }
        fail(
            status: ExitStatus.notFound, "there is no program “\(program)” in PATH", hint: "PATH is “\(path)”"
        )
    }
}
