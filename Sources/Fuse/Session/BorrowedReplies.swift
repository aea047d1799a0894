import CFuse
import Glibc

/// Answers READ with the bytes that the tree lends, without a copy of ours.
func sendFile(_ handle: HandleID, at offset: UInt64, count: Int, to request: Request) throws(Refusal) {
    var isSent = false
    do {
        try request.access.tree.read(handle, at: offset, count: count) { bytes in
            // A second answer would use a request that libfuse has freed.
            guard !isSent else { return }
            isSent = true
            request.send(bytes.extracting(first: count))
        }
    } catch {
        guard isSent else { throw error }
    }
    guard isSent else { throw .damaged }
}

/// Answers READDIR with as many entries as fit into `count` bytes.
func sendDirectory(_ handle: HandleID, after offset: UInt64, count: Int, to request: Request) throws(Refusal)
{
    let room = min(count, largestPage)
    let page = UnsafeMutableRawBufferPointer.allocate(byteCount: max(room, 1), alignment: 8)
    defer { unsafe page.deallocate() }
    var used = 0
    try request.access.tree.readDirectory(handle, after: offset) { entry in
        let free = unsafe UnsafeMutableRawBufferPointer(rebasing: page[used..<room])
        guard let length = unsafe append(entry, to: free) else { return false }
        used += length
        return true
    }
    let bytes = unsafe UnsafeRawBufferPointer(rebasing: page[..<used])
    request.send(unsafe RawSpan(_unsafeBytes: bytes))
}

/// More than any kernel asks for today costs nothing to refuse: it asks again from where the page ended.
private let largestPage = 131_072

/// The bytes that `entry` takes in the kernel's format; nil if they do not fit into `free`.
private func append(_ entry: borrowing DirectoryEntry, to free: UnsafeMutableRawBufferPointer) -> Int? {
    var status = Glibc.stat()
    status.st_ino = UInt(entry.node.rawValue)
    status.st_mode = entry.kind.modeBits
    let next = Int(clamping: entry.nextOffset)
    let length = unsafe entry.name.withCString { name in
        unsafe fuse_add_direntry(
            nil, free.baseAddress?.assumingMemoryBound(to: CChar.self), free.count, name, &status, next)
    }
    return length <= free.count ? length : nil
}
