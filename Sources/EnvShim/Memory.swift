import CShim

/// Memory is handed out in order and never taken back: the process soon ends or becomes the program.
private enum Memory {
    static let chunk = 262_144
    // One thread.
    nonisolated(unsafe) static var next: UInt = 0
    nonisolated(unsafe) static var left = 0
}

/// `count` bytes of zeros, aligned for any of our types.
func allocate(_ count: Int) -> UnsafeMutablePointer<UInt8> {
    guard count >= 0, count <= 1 << 40 else { failWithoutMemory() }
    let needed = (count + 15) & ~15
    if needed > Memory.left {
        let size = max(needed, Memory.chunk)
        let start = shim_map(size)
        guard start > 0 else { failWithoutMemory() }
        Memory.next = UInt(start)
        Memory.left = size
    }
    guard let memory = UnsafeMutablePointer<UInt8>(bitPattern: Memory.next) else { failWithoutMemory() }
    Memory.next += UInt(needed)
    Memory.left -= needed
    return memory
}

/// The first `count` bytes of `memory` in a place of `size` bytes.
func enlarge(
    _ memory: UnsafeMutablePointer<UInt8>, count: Int, to size: Int
) -> UnsafeMutablePointer<UInt8> {
    let larger = allocate(size)
    memcpy(larger, memory, count)
    return larger
}
