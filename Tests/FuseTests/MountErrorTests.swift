import CLinux
import Fuse
import Glibc
import TestSupport
import Testing

@Suite struct `A mount point that will not do` {
    private func withDirectory(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/secretfs-point-XXXXXX".utf8CString)
        let path = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { rmdir(path) }
        try body(path)
    }

    @Test func `is missing`() throws {
        try withDirectory { directory in
            #expect(throws: MountError.pointMissing(directory + "/no")) {
                try Mounting.mount(at: directory + "/no", allowOthers: false)
            }
        }
    }

    @Test func `is a file, or below one`() throws {
        try withDirectory { directory in
            let file = directory + "/file"
            close(open(file, O_CREAT | O_WRONLY, 0o600))
            defer { unlink(file) }
            #expect(throws: MountError.pointNotDirectory(file)) {
                try Mounting.mount(at: file, allowOthers: false)
            }
        }
    }

    @Test func `is not empty`() throws {
        try withDirectory { directory in
            mkdir(directory + "/child", 0o700)
            defer { rmdir(directory + "/child") }
            #expect(throws: MountError.pointNotEmpty(directory)) {
                try Mounting.mount(at: directory, allowOthers: false)
            }
        }
    }

    @Test func `is a mount point already`() throws {
        #expect(throws: MountError.alreadyMounted("/proc", type: "proc")) {
            try Mounting.mount(at: "/proc", allowOthers: false)
        }
    }

    @Test(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"))
    func `is mounted by us, served or not, also through a symbolic link`() throws {
        try withDirectory { directory in
            let mounted = try Mounting.mount(at: directory, allowOthers: true)
            defer { umount2(directory, Int32(MNT_DETACH)) }
            let link = directory + "-link"
            symlink(directory, link)
            defer { unlink(link) }
            let expected = MountError.alreadyMounted(directory, type: MountTable.ourType)
            // Nobody serves it: asking the file system anything would wait for ever.
            for path in [directory, link] {
                #expect(throws: expected) { try Mounting.mount(at: path, allowOthers: true) }
            }
            close(mounted.descriptor)
            #expect(throws: expected) { try Mounting.mount(at: directory, allowOthers: true) }
            try Mounting.unmount(directory)
            #expect(throws: UnmountError.notMounted(directory)) { try Mounting.unmount(directory) }
        }
    }

    @Test(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"))
    func `is inside a mount of ours`() throws {
        try withMountedTree { server in
            let inside = server.directory + "/directory"
            #expect(throws: MountError.insideOurs(inside, mount: server.directory)) {
                try Mounting.mount(at: inside, allowOthers: true)
            }
        }
    }

    @Test func `what is not ours is not unmounted`() {
        #expect(throws: UnmountError.notMounted("/proc")) { try Mounting.unmount("/proc") }
        #expect(throws: UnmountError.notMounted("/no/such/place")) { try Mounting.unmount("/no/such/place") }
    }

    @Test func `every error says what to do next`() {
        let errors: [MountError] = [
            .deviceMissing, .deviceNotPermitted, .pointMissing("/p"), .pointNotDirectory("/p"),
            .pointNotEmpty("/p"),
            .alreadyMounted("/p", type: "tmpfs"), .insideOurs("/p", mount: "/"), .pointNotReadable("/p"),
            .pointNotPermitted("/p"), .notPermitted, .helperRefused("no"),
            .system(call: "mount", errno: EINVAL),
        ]
        #expect(Set(errors.map(\.description)).count == errors.count)
        #expect(errors.allSatisfy { !$0.hint.isEmpty })
    }
}
