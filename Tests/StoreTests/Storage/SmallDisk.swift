import Foundation
import Testing

/// Writes `bytes` over a file's own at `offset`. Only while no connection of this process has the file: closing
/// it would drop their locks.
func overwrite(_ path: String, at offset: Int, with bytes: [UInt8]) throws {
    let file = try FileHandle(forUpdating: URL(filePath: path))
    defer { try? file.close() }
    try file.seek(toOffset: UInt64(offset))
    try file.write(contentsOf: Data(bytes))
}

/// Fills the disk with a file, to its last byte.
func fill(_ path: String) throws {
    let descriptor = open(path, O_CREAT | O_WRONLY, 0o600)
    try #require(descriptor >= 0)
    defer { close(descriptor) }
    for count in [65536, 4096, 512, 1] {
        let block = [UInt8](repeating: 0, count: count)
        while write(descriptor, block, count) > 0 {}
    }
    fsync(descriptor)
}

/// Calls `body` with an empty disk of 8 MiB: ext4 on a loop device.
func withSmallDisk(_ body: (String) throws -> Void) throws {
    try withTemporaryDirectory { directory in
        let (image, place) = (directory + "/image", directory + "/disk")
        try run("truncate", "--size", "8M", image)
        try run("mkfs.ext4", "-q", "-m", "0", image)
        try run("mkdir", "--mode", "0700", place)
        try run("mount", "-o", "loop", image, place)
        defer { unmount(place) }
        try body(place)
    }
}

/// Calls `body` with a view of `directory` in which nothing can be changed.
func withReadOnlyView(of directory: String, _ body: (String) throws -> Void) throws {
    let view = directory + "-view"
    try run("mkdir", view)
    try run("mount", "--bind", directory, view)
    defer { unmount(view) }
    try run("mount", "-o", "remount,bind,ro", view)
    try body(view)
}

/// Also when something still uses it: the rest goes with its last user.
private func unmount(_ place: String) {
    if umount2(place, 0) != 0 { umount2(place, Int32(MNT_DETACH)) }
}
