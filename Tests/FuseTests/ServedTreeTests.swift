import CLinux
import Fuse
import Glibc
import TestSupport
import Testing

/// Trees as programs see them, through the kernel, served by another process.
@Suite(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"), .timeLimit(.minutes(5)))
struct `A served tree` {
    @Test func `shows names, contents and attributes`() throws {
        try withMountedTree { server in
            let directory = try #require(opendir(server.directory))
            defer { closedir(directory) }
            #expect(names(in: directory) == (0..<20).map { "ENTRY_\($0)" })
            #expect(try text(of: server.directory + "/ENTRY_7") == "value 7")
            var status = stat()
            #expect(stat(server.directory + "/ENTRY_7", &status) == 0)
            #expect(status.st_size == 7 && status.st_mode == S_IFREG | 0o444 && status.st_mtim.tv_nsec == 5)
            #expect(throws: SystemError(errno: ENOENT)) { try text(of: server.directory + "/ENTRY_20") }
        }
    }

    @Test(arguments: [0, 1, 4095, 4096, 4097, 131_073, 1_048_576])
    func `shows every byte of a file`(_ count: Int) throws {
        try withMountedTree { server in
            try server.tell("fill", "BIG", "\(count)")
            #expect(try bytes(of: server.directory + "/BIG") == (0..<count).map { UInt8($0 % 251) })
        }
    }

    @Test func `lists 10,000 entries, also again and from the middle`() throws {
        try withMountedTree(entries: 10_000) { server in
            let expected = (0..<10_000).map { "ENTRY_\($0)" }
            let directory = try #require(opendir(server.directory))
            defer { closedir(directory) }
            for _ in 0..<5_000 { _ = readdir(directory) }
            let middle = telldir(directory)
            #expect(names(in: directory) == Array(expected.dropFirst(5_000)))
            seekdir(directory, middle)
            #expect(names(in: directory) == Array(expected.dropFirst(5_000)))
            rewinddir(directory)
            #expect(names(in: directory) == expected)
        }
    }

    @Test func `takes one OPEN, one READ and one RELEASE for open, read and close`() throws {
        try withMountedTree { server in
            let path = server.directory + "/ENTRY_3"
            var byte = [UInt8](repeating: 0, count: 100)
            func use() {
                let descriptor = open(path, O_RDONLY)
                #expect(read(descriptor, &byte, 100) == 7)
                close(descriptor)
            }
            use()
            // RELEASE is answered after close(2) returns, so the first one may still be on its way.
            while try !server.tell("counts").contains("close=1") { usleep(1000) }
            for _ in 0..<10 { use() }
            var seen: [String: Int] = [:]
            while seen["close", default: 0] < 10 {
                for count in try server.tell("counts").split(separator: " ") {
                    let parts = count.split(separator: "=")
                    seen[String(parts[0]), default: 0] += Int(parts[1]) ?? 0
                }
            }
            #expect(seen == ["open": 10, "read": 10, "close": 10])
        }
    }

    @Test func `shows extended attributes`() throws {
        try withMountedTree { server in
            let path = server.directory + "/ENTRY_0"
            var buffer = [UInt8](repeating: 0, count: 64)
            #expect(getxattr(path, "user.test", nil, 0) == 9)
            #expect(getxattr(path, "user.test", &buffer, 64) == 9)
            #expect(buffer.prefix(9).elementsEqual("attribute".utf8))
            #expect(getxattr(path, "user.test", &buffer, 8) == -1 && errno == ERANGE)
            #expect(getxattr(path, "user.other", &buffer, 64) == -1 && errno == ENODATA)
            #expect(listxattr(path, nil, 0) == 10)
        }
    }

    @Test func `has no free blocks and says that it is read-only`() throws {
        try withMountedTree { server in
            var status = statvfs()
            #expect(statvfs(server.directory, &status) == 0)
            #expect(status.f_bfree == 0 && status.f_namemax == 255)
            #expect(status.f_flag & UInt(ST_RDONLY) != 0)
        }
    }
}
