import CShim

/// The program's environment: what is inherited, and the entries.
struct Environment {
    /// The strings, and a NULL that ends them, as execve(2) wants them.
    private(set) var strings: List<UnsafeMutablePointer<CChar>?>

    /// An entry replaces every inherited variable of its name; with `keepInherited`, none.
    ///
    /// - Parameter directory: where the entries are from.
    init(_ variables: List<Variable>, of directory: Text, inherited: Arguments, _ options: Options) {
        let index = VariableIndex(variables) { name in
            fail("two entries would become “\(name)”", hint: "give one of them another name with --rename")
        }
        // Where an inherited variable keeps its place, its entry is left out.
        var isOverridden = List<Bool>(capacity: variables.count)
        for _ in 0..<variables.count { isOverridden.append(false) }
        strings = List(capacity: variables.count + 64)

        var next = inherited
        while let string = next.pointee {
            next += 1
            let name = Text(variableNameOf: string)
            if options.clear, !options.kept.contains(name) { continue }
            if let position = index.position(of: name) {
                guard options.keepInherited else { continue }
                isOverridden.start?[position] = true
            }
            strings.append(string)
        }
        for position in 0..<variables.count where !isOverridden[position] {
            strings.append(
                UnsafeMutableRawPointer(variables[position].string).assumingMemoryBound(to: CChar.self))
        }
        strings.append(nil)
        Self.check(options, index, directory)
    }

    /// Fails unless the entries give what the options count on.
    private static func check(_ options: Options, _ index: VariableIndex, _ directory: Text) {
        for position in 0..<options.renames.count {
            let rename = options.renames[position]
            guard !rename.isFound else { continue }
            fail(
                "there is no entry “\(rename.old)” to call “\(rename.new)”",
                hint: "ls “\(directory)” shows what there is; for secretfs run: secretfs visible OWNER/NAME")
        }
        for position in 0..<options.required.count {
            let name = options.required[position]
            guard index.position(of: name) == nil else { continue }
            let isThere = Kernel.exists(joined(directory, Text("/"), name))
            fail(
                "no entry gives the required variable “\(name)”",
                hint: isThere
                    ? "“\(directory)/\(name)” is there, to be read as a file only, or left out or renamed by an option"
                    : "ls “\(directory)” shows what there is; for secretfs run: secretfs visible OWNER/NAME")
        }
    }

    /// The inherited variable `name`; the first, should there be several.
    static func inherited(_ name: StaticString, in environment: Arguments) -> Text? {
        var next = environment
        while let string = next.pointee {
            if Text(variableNameOf: string) == name {
                let text = Text(cString: string)
                return text.dropFirst(Text(name).count + 1)
            }
            next += 1
        }
        return nil
    }
}

extension Text {
    /// The part before the `=`, or all of it.
    fileprivate init(variableNameOf string: UnsafePointer<CChar>) {
        let text = Text(cString: string)
        self = text.prefix(text.firstIndex(of: UInt8(ascii: "=")) ?? text.count)
    }
}
