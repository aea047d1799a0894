import CShim

/// One string of the program's environment that comes from an entry.
struct Variable: BitwiseCopyable {
    /// The kernel refuses a longer `NAME=value` string, its closing NUL included (MAX_ARG_STRLEN, execve(2)).
    static let maximumString = 131_072

    /// `NAME=value` NUL.
    let string: UnsafeMutablePointer<UInt8>
    let nameCount: Int
    /// Without the NUL.
    private(set) var count: Int

    var name: Text { Text(string, count: nameCount) }

    /// - Parameter count: of `NAME=value`; `string` has one more byte, for the NUL.
    init(_ string: UnsafeMutablePointer<UInt8>, nameCount: Int, count: Int) {
        self.string = string
        self.nameCount = nameCount
        self.count = count
    }

    /// The same value under another name.
    func renamed(_ name: Text) -> Variable {
        let copy = joined(name, Text(string, count: count).dropFirst(nameCount))
        return Variable(UnsafeMutablePointer(mutating: copy.start), nameCount: name.count, count: copy.count)
    }

    /// Chomped if `options` say so, closed with its NUL, and short enough for the kernel.
    func finished(_ options: Options) -> Variable {
        let endsInNewline = count > nameCount + 1 && string[count - 1] == UInt8(ascii: "\n")
        let end = options.chomp && endsInNewline ? count - 1 : count
        string[end] = 0
        guard end < Self.maximumString else { Self.failTooLong(name, bytes: end - nameCount - 1) }
        var finished = self
        finished.count = end
        return finished
    }

    static func failTooLong(_ name: Text, bytes: Int) -> Never {
        fail(
            "“\(name)” has \(bytes) bytes; a variable of this name holds at most \(maximumString - name.count - 2)",
            hint: "let the program read the file, and leave the entry out with --only")
    }
}

/// Finds variables by name: open addressing, at most half full.
struct VariableIndex {
    private let variables: List<Variable>
    /// Positions in `variables`, plus one; 0 is free.
    private let slots: UnsafeMutablePointer<UInt32>
    private let mask: Int

    /// - Parameter onDuplicate: told the name that two of `variables` have.
    init(_ variables: List<Variable>, onDuplicate: (Text) -> Never) {
        self.variables = variables
        var size = 16
        while size < variables.count * 2 { size *= 2 }
        let memory = UnsafeMutableRawPointer(allocate(size * MemoryLayout<UInt32>.stride))
        slots = memory.bindMemory(to: UInt32.self, capacity: size)
        mask = size - 1
        for position in 0..<variables.count {
            let name = variables[position].name
            let slot = self.slot(of: name)
            guard slots[slot] == 0 else { onDuplicate(name) }
            slots[slot] = UInt32(position + 1)
        }
    }

    /// The position of the variable called `name`.
    func position(of name: Text) -> Int? {
        let found = slots[slot(of: name)]
        return found == 0 ? nil : Int(found) - 1
    }

    /// Where `name` is, or the free slot where it would be.
    private func slot(of name: Text) -> Int {
        var slot = Int(name.hash) & mask
        while slots[slot] != 0, !(variables[Int(slots[slot]) - 1].name == name) { slot = (slot + 1) & mask }
        return slot
    }
}
