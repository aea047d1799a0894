import CShim

/// One open file of a plain directory, on its way to become a variable.
struct PlainFile {
    enum Problem: Error {
        case notFile
        /// It was written each time while it was read.
        case restless
        case system(SystemError)
    }
    private enum Content {
        case stable(Variable)
        /// Nothing has changed, and yet there are not as many bytes as its size says.
        case unlikely(Variable)
        case changed
    }
    private static let attempts = 8

    let file: Int32
    /// The variable's name.
    let name: Text
    let options: Options

    func read() throws(Problem) -> Variable {
        var content = Content.changed
        var isFile = false
        for attempt in 0..<Self.attempts {
            // Lets the writer finish.
            if attempt > 0 { shim_sleep(attempt) }
            do throws(SystemError) {
                let before = try Kernel.status(of: file)
                isFile = before.kind == .file
                if isFile { content = try readOnce(before) }
            } catch {
                throw .system(error)
            }
            guard isFile else { throw .notFile }
            if case .stable(let variable) = content { return variable.finished(options) }
        }
        // A size that never fits and never changes is how some file systems are (sysfs).
        guard case .unlikely(let variable) = content else { throw .restless }
        return variable.finished(options)
    }

    private func readOnce(_ before: FileStatus) throws(SystemError) -> Content {
        let start = name.count + 1
        // A newline that --chomp drops may be over the limit, and one byte more tells that there is more.
        let most = Variable.maximumString + 1
        guard before.size <= most - start else { Variable.failTooLong(name, bytes: before.size) }
        // A size of 0 is none at all on some file systems (procfs, some of FUSE).
        var capacity = min(most, start + (before.size == 0 ? 4096 : before.size + 1))
        // With one byte more, for the NUL.
        var string = allocate(capacity + 1)
        memcpy(string, name.start, name.count)
        string[name.count] = UInt8(ascii: "=")

        var count = start
        while true {
            let result = try Kernel.read(
                file, into: string + count, count: capacity - count, at: count - start)
            count += result
            if result == 0 || (before.size > 0 && count - start == before.size) { break }
            guard count == capacity else { continue }
            guard capacity < most else { Variable.failTooLong(name, bytes: count - start) }
            capacity = most
            string = enlarge(string, count: count, to: capacity + 1)
        }
        guard try Kernel.status(of: file) == before else { return .changed }
        return judge(Variable(string, nameCount: name.count, count: count), size: before.size)
    }

    private func judge(_ variable: Variable, size: Int) -> Content {
        let value = Text(variable.string, count: variable.count).dropFirst(variable.nameCount + 1)
        guard value.firstIndex(of: 0) == nil else {
            fail(
                "“\(name)” contains a NUL byte, which no variable can hold",
                hint: "let the program read the file, and leave the entry out with --only")
        }
        return size == 0 || value.count == size ? .stable(variable) : .unlikely(variable)
    }
}
