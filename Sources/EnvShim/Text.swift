import CShim

/// Bytes that live until the process ends or becomes the program: of argv, of envp, or of a buffer that is
/// never given back. The shim's only kind of text; it is never decoded.
struct Text {
    let start: UnsafePointer<UInt8>
    let count: Int

    init(_ start: UnsafePointer<UInt8>, count: Int) {
        self.start = start
        self.count = count
    }

    /// Up to the closing NUL.
    init(cString: UnsafePointer<CChar>) {
        start = UnsafeRawPointer(cString).assumingMemoryBound(to: UInt8.self)
        count = strlen(cString)
    }

    init(_ literal: StaticString) {
        start = literal.utf8Start
        count = literal.utf8CodeUnitCount
    }

    /// With its closing NUL, for system calls: only for text that has one (argv, envp, literals, `joined`).
    var cString: UnsafePointer<CChar> { UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self) }

    subscript(index: Int) -> UInt8 { start[index] }
    var isEmpty: Bool { count == 0 }

    func prefix(_ length: Int) -> Text { Text(start, count: min(length, count)) }
    func dropFirst(_ length: Int) -> Text { Text(start + min(length, count), count: max(0, count - length)) }

    func firstIndex(of byte: UInt8) -> Int? {
        guard count > 0, let found = memchr(start, Int32(byte), count) else { return nil }
        return UnsafeRawPointer(found) - UnsafeRawPointer(start)
    }

    func starts(with other: Text) -> Bool { prefix(other.count) == other }

    static func == (left: Text, right: Text) -> Bool {
        left.count == right.count && memcmp(left.start, right.start, left.count) == 0
    }
    static func == (left: Text, right: StaticString) -> Bool { left == Text(right) }

    /// FNV-1a.
    var hash: UInt32 {
        var hash: UInt32 = 2_166_136_261
        for index in 0..<count { hash = (hash ^ UInt32(start[index])) &* 16_777_619 }
        return hash
    }

    /// `[A-Za-z_][A-Za-z0-9_]*`, what every shell and language takes for a variable's name.
    var isVariableName: Bool {
        guard count > 0, !isDigit(start[0]) else { return false }
        for index in 0..<count where !isWord(start[index]) { return false }
        return true
    }

    /// Whether programs could take a variable of this name for code, or for where their code is.
    var isDangerous: Bool { DangerousNames.contains(Span(_unsafeStart: start, count: count)) }

    private func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
    private func isWord(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- UInt8(ascii: "a") < 26 || isDigit(byte) || byte == UInt8(ascii: "_")
    }
}

/// The parts, one after the other, and a closing NUL that does not count.
func joined(_ first: Text, _ second: Text, _ third: Text = Text("")) -> Text {
    let memory = allocate(first.count + second.count + third.count + 1)
    memcpy(memory, first.start, first.count)
    memcpy(memory + first.count, second.start, second.count)
    memcpy(memory + first.count + second.count, third.start, third.count)
    let count = first.count + second.count + third.count
    memory[count] = 0
    return Text(memory, count: count)
}
