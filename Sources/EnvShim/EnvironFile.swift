import CShim

/// `.environ` of a SecretFS mount: `NAME=value` NUL for every entry, all of one generation.
struct EnvironFile {
    static let name: StaticString = ".environ"
    /// Far over what any environment holds; a larger file is not ours.
    private static let maximumCount = 1 << 30

    private let directory: Text
    private let options: Options

    /// The variables of `directory`'s `.environ`; nil if it has none.
    static func read(in directory: Text, _ options: Options) -> List<Variable>? {
        let path = joined(directory, Text("/"), Text(name))
        do {
            let file = try Kernel.open(path)
            // Only now: the mount's agent may need to look at us to decide whether we may open.
            _ = shim_forbid_dumps()
            let contents = try contents(of: file, path)
            return EnvironFile(directory: directory, options: options).parse(contents)
        } catch {
            switch error.code {
            case ENOENT: return nil
            case ENOTDIR: fail("“\(directory)” is not a directory")
            case ENOTCONN:
                fail(
                    "“\(path)”: \(error)", hint: "its agent has ended: secretfs unmount, then secretfs mount")
            case EACCES, EPERM:
                fail(
                    "“\(path)”: \(error)",
                    hint: "the mount belongs to another user, or a rule denies this program")
            case EIO:
                fail(
                    "“\(path)”: \(error)",
                    hint: """
                        a value is damaged, or the agent could not decide or record this: its log (agent.log) says \
                        which, and secretfs doctor what to do
                        """)
            default: fail("“\(path)”: \(error)")
            }
        }
    }

    /// All bytes of `file`; `start[count]` may be written.
    private static func contents(
        of file: Int32, _ path: Text
    ) throws(SystemError) -> (start: UnsafeMutablePointer<UInt8>, count: Int) {
        let status = try Kernel.statusHint(of: file)
        guard status.kind == .file else { fail("“\(path)” is not a file") }
        guard status.size < maximumCount else {
            fail("“\(path)” has \(status.size) bytes; at most \(maximumCount) make sense")
        }
        // One read: a byte more than expected shows that the file ends where its size says.
        var capacity = status.size + 1
        var start = allocate(capacity)
        var count = 0
        while true {
            let result = try Kernel.read(file, into: start + count, count: capacity - count)
            count += result
            if result == 0 || (count == result && count == status.size) { return (start, count) }
            guard count == capacity else { continue }
            guard capacity < maximumCount else { failWithoutMemory() }
            capacity = capacity * 2 + 4096
            start = enlarge(start, count: count, to: capacity)
        }
    }

    /// The wanted entries of a whole `.environ`. Every entry is checked, wanted or not: one that is damaged
    /// says that the others may be too.
    private func parse(_ contents: (start: UnsafeMutablePointer<UInt8>, count: Int)) -> List<Variable> {
        guard contents.count == 0 || contents.start[contents.count - 1] == 0 else {
            failMalformed("its last entry is cut off")
        }
        var all = List<Variable>()
        var position = 0
        while position < contents.count {
            let text = Text(
                cString: UnsafeRawPointer(contents.start + position).assumingMemoryBound(to: CChar.self))
            // What is not surely a name may be a piece of a value: it is never printed.
            guard let nameCount = text.firstIndex(of: UInt8(ascii: "=")) else {
                failMalformed("entry number \(all.count + 1) has no =")
            }
            guard text.prefix(nameCount).isVariableName else {
                failMalformed("entry number \(all.count + 1) does not begin with a variable's name")
            }
            all.append(Variable(contents.start + position, nameCount: nameCount, count: text.count))
            position += text.count + 1
        }
        _ = VariableIndex(all) { name in failMalformed("it has two entries “\(name)”") }
        return wanted(of: all)
    }

    private func wanted(of all: List<Variable>) -> List<Variable> {
        var wanted = List<Variable>()
        for index in 0..<all.count {
            let entry = all[index]
            guard let name = options.variableName(for: entry.name) else { continue }
            options.check(name, of: entry.name)
            wanted.append((name == entry.name ? entry : entry.renamed(name)).finished(options))
        }
        return wanted
    }

    private func failMalformed(_ reason: Message) -> Never {
        fail(
            "“\(directory)/.environ” is damaged: \(reason)",
            hint: "nothing was started; is it a SecretFS mount?")
    }
}
