import CShim

/// Elements side by side in memory that is never given back: the process ends or becomes the program.
/// Array would do, at several times the code and the start-up.
struct List<Element: BitwiseCopyable> {
    private(set) var count = 0
    private(set) var start: UnsafeMutablePointer<Element>?
    private var capacity = 0

    init() {}

    /// With room for `capacity` elements, so that `start` stays where it is until there are more.
    init(capacity: Int) { grow(to: capacity) }

    mutating func append(_ element: Element) {
        if count == capacity { grow(to: max(16, capacity * 2)) }
        start?[count] = element
        count += 1
    }

    /// Forgets all elements and keeps the room.
    mutating func removeAll() { count = 0 }

    subscript(index: Int) -> Element {
        guard let start, index < count else { fail("an internal index is out of bounds") }
        return start[index]
    }

    private mutating func grow(to wanted: Int) {
        let stride = MemoryLayout<Element>.stride
        let (bytes, overflow) = wanted.multipliedReportingOverflow(by: stride)
        guard !overflow else { failWithoutMemory() }
        let memory = UnsafeMutableRawPointer(allocate(bytes)).bindMemory(to: Element.self, capacity: wanted)
        if let start { memcpy(memory, start, count * stride) }
        start = memory
        capacity = wanted
    }
}
