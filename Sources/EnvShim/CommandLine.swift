import CShim

/// Reads `[options] [DIRECTORY] -- PROGRAM [ARGUMENT…]`.
struct CommandLine {
    private let arguments: Arguments
    private let count: Int
    private var next = 1
    private var options: Options

    static func parse(_ arguments: Arguments, count: Int) -> Options {
        var line = CommandLine(arguments, count)
        line.readOptions()
        line.checkTogether()
        return line.options
    }

    private init(_ arguments: Arguments, _ count: Int) {
        self.arguments = arguments
        self.count = count
        options = Options(program: arguments, programCount: 0)
    }

    private mutating func readOptions() {
        while let argument = take() {
            if argument == "--" {
                options.program = arguments + next
                options.programCount = count - next
                guard next < count else { fail("there is no program after --", hint: Self.example) }
                return
            }
            if argument.count > 1, argument[0] == UInt8(ascii: "-") {
                readOption(argument)
            } else {
                readDirectory(argument)
            }
        }
        fail("there is no -- with a program after it", hint: Self.example)
    }

    private static var example: Message {
        "for example: secretfs-env /run/secretfs/self -- python3 algorithm.py"
    }

    private mutating func take() -> Text? {
        guard next < count, let argument = arguments[next] else { return nil }
        next += 1
        return Text(cString: argument)
    }

    private mutating func readDirectory(_ argument: Text) {
        guard !argument.isEmpty else { fail("the directory's name is empty", hint: Self.example) }
        guard let first = options.directory else { options.directory = argument; return }
        fail("there are two directories, “\(first)” and “\(argument)”", hint: "put -- before the program")
    }

    private mutating func readOption(_ argument: Text) {
        let equals = argument.firstIndex(of: UInt8(ascii: "="))
        // Whatever follows the sign may be a value that does not belong here: it is never printed.
        let name = argument.prefix(equals ?? argument.count)
        let attached = equals.map { argument.dropFirst($0 + 1) }
        guard let option = Option(spelling: name) else { Option.failUnknown(name) }
        if option.isFlag {
            guard attached == nil else { fail("\(name) takes no value", hint: Option.helpHint) }
            return set(option)
        }
        guard let value = attached ?? take(), !value.isEmpty, attached != nil || !(value == "--") else {
            fail("\(name) needs a value", hint: Option.helpHint)
        }
        set(option, to: value, name)
    }

    private mutating func set(_ option: Option) {
        switch option {
        case .chomp: options.chomp = true
        case .keepInherited: options.keepInherited = true
        case .clear: options.clear = true
        case .allowEmpty: options.allowEmpty = true
        case .version: Help.printVersion()
        default: Help.printHelp()
        }
    }

    private mutating func set(_ option: Option, to value: Text, _ spelling: Text) {
        switch option {
        case .prefix:
            guard value.isVariableName else { failName(value, spelling) }
            options.prefix = value
        case .rename: addRename(value)
        case .only:
            if options.only == nil { options.only = List() }
            forEachName(value) { name in
                // A name that no file can have would select nothing, silently.
                guard name.isFileName else { failName(name, spelling) }
                options.only?.append(name)
            }
        case .require: addVariables(value, spelling, to: &options.required)
        case .allowName: addVariables(value, spelling, to: &options.allowed)
        default: addVariables(value, spelling, to: &options.kept)
        }
    }

    private func addVariables(_ value: Text, _ spelling: Text, to list: inout List<Text>) {
        forEachName(value) { name in
            guard name.isVariableName else { failName(name, spelling) }
            list.append(name)
        }
    }

    private mutating func addRename(_ value: Text) {
        let equals = value.firstIndex(of: UInt8(ascii: "="))
        let new = value.prefix(equals ?? value.count)
        let old = equals.map { value.dropFirst($0 + 1) } ?? Text("")
        guard equals != nil, new.isVariableName, old.isFileName else {
            fail("--rename needs NEW=OLD", hint: "for example: --rename DB_PASSWORD=db-password")
        }
        for index in 0..<options.renames.count where options.renames[index].old == old {
            fail("--rename names the entry “\(old)” twice", hint: "an entry becomes one variable")
        }
        options.renames.append(Options.Rename(new: new, old: old))
    }

    /// The parts of `value` between commas.
    private func forEachName(_ value: Text, _ body: (Text) -> Void) {
        var rest = value
        while let comma = rest.firstIndex(of: UInt8(ascii: ",")) {
            body(rest.prefix(comma))
            rest = rest.dropFirst(comma + 1)
        }
        body(rest)
    }

    private func failName(_ name: Text, _ spelling: Text) -> Never {
        let shown = name.prefix(name.firstIndex(of: UInt8(ascii: "=")) ?? name.count)
        fail(
            "“\(shown)” in \(spelling) is not a name", hint: "names are separated by commas: \(spelling) A,B")
    }

    private func checkTogether() {
        guard options.clear || options.kept.count == 0 else {
            fail("--keep goes with --clear", hint: "without --clear every inherited variable is kept")
        }
    }
}

extension Text {
    /// What a directory can call an entry of ours: not hidden, and no path.
    fileprivate var isFileName: Bool {
        !isEmpty && self[0] != UInt8(ascii: ".") && firstIndex(of: UInt8(ascii: "/")) == nil
    }
}
