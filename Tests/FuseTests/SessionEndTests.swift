import Fuse
import Glibc
import TestSupport
import Testing

@Suite(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"), .timeLimit(.minutes(5)))
struct `A session` {
    @Test func `ends when the mount is unmounted`() throws {
        try withMountedTree { server in
            #expect(try text(of: server.directory + "/ENTRY_1") == "value 1")
            try Mounting.unmount(server.directory)
            #expect(try server.tell("end") == "ended unmounted handles 0")
        }
    }

    @Test func `ends when its connection is aborted, and closes what was open`() throws {
        try withMountedTree { server in
            let file = open(server.directory + "/ENTRY_1", O_RDONLY)
            let directory = try #require(opendir(server.directory))
            let minor = try #require(try MountTable.current().top(at: server.directory)?.minor)
            let connections = "/sys/fs/fuse/connections"
            if access("\(connections)/\(minor)", F_OK) != 0 { mount("none", connections, "fusectl", 0, nil) }
            let abort = open("\(connections)/\(minor)/abort", O_WRONLY)
            try #require(write(abort, "1", 1) == 1)
            close(abort)
            #expect(try server.tell("end") == "ended unmounted handles 0")
            var byte: UInt8 = 0
            #expect(read(file, &byte, 1) == -1 && [ENOTCONN, ECONNABORTED].contains(errno))
            close(file)
            closedir(directory)
        }
    }

    @Test func `ends when it is removed, and readers get a prompt error`() throws {
        try withMountedTree { server in
            let file = open(server.directory + "/ENTRY_1", O_RDONLY)
            defer { close(file) }
            try server.tell("remove")
            #expect(try server.tell("end") == "ended removed handles 0")
            #expect(throws: SystemError(errno: ENOTCONN)) { try bytes(of: file) }
            #expect(throws: SystemError(errno: ENOTCONN)) { try text(of: server.directory + "/ENTRY_1") }
            try Mounting.unmount(server.directory, lazily: true)
        }
    }

    @Test func `readers get an error when the server is killed, and the mount can be unmounted`() throws {
        try withMountedTree { server in
            #expect(try text(of: server.directory + "/ENTRY_1") == "value 1")
            let descriptor = open(server.directory + "/ENTRY_1", O_RDONLY)
            kill(try server.serverProcess, SIGKILL)
            var byte: UInt8 = 0
            while read(descriptor, &byte, 1) >= 0 {}
            #expect([ENOTCONN, ECONNABORTED].contains(errno))
            close(descriptor)
            try Mounting.unmount(server.directory)
        }
    }

    @Test func `busy is an error of its own, and lazily it goes`() throws {
        try withMountedTree { server in
            let descriptor = open(server.directory + "/ENTRY_1", O_RDONLY)
            #expect(throws: UnmountError.busy(server.directory)) { try Mounting.unmount(server.directory) }
            try Mounting.unmount(server.directory, lazily: true)
            #expect(try bytes(of: descriptor) == Array("value 1".utf8))
            close(descriptor)
            let end = try server.tell("end")
            #expect(end == "ended unmounted handles 0")
            #expect(throws: UnmountError.notMounted(server.directory)) {
                try Mounting.unmount(server.directory)
            }
        }
    }

    @Test func `in a private namespace is seen by nobody else`() throws {
        try withMountedTree(options: ["private"]) { server in
            #expect(try MountTable.current().top(at: server.directory) == nil)
            let seen = "/proc/\(try server.serverProcess)/root\(server.directory)/ENTRY_2"
            #expect(try text(of: seen) == "value 2")
        }
    }

    @Test func `a thousand mounts after one another leak no descriptor and no thread`() throws {
        try withMountedTree { server in
            let process = try server.serverProcess
            func count(_ kind: String) -> Int {
                guard let directory = opendir("/proc/\(process)/\(kind)") else { return -1 }
                defer { closedir(directory) }
                return names(in: directory).count
            }
            let before = (count("fd"), count("task"))
            try server.tell("unmount")
            try server.tell("end")
            for _ in 0..<1_000 {
                try #require(try server.tell("mount", "1").hasPrefix("mounted"))
                try #require(try text(of: server.directory + "/ENTRY_0") == "value 0")
                // Lazily: a process that another test starts just now may hold the file until it is exec'd.
                try #require(try server.tell("unmount", "lazy") == "unmounted")
                let end = try server.tell("end")
                try #require(end == "ended unmounted handles 0")
            }
            #expect(count("fd") == before.0 - 1 && count("task") == before.1)
        }
    }

    @Test func `a thousand mounts at once are all served`() throws {
        try withMountedTree { server in
            let points = (0..<999).map { "\(server.directory)-\($0)" }
            defer {
                for point in points {
                    umount2(point, Int32(MNT_DETACH))
                    rmdir(point)
                }
            }
            for point in points {
                mkdir(point, 0o700)
                let answer = try server.ask("mount \(point) 20")
                try #require(answer.hasPrefix("mounted"), "\(answer)")
            }
            for point in points { try #require(try text(of: point + "/ENTRY_19") == "value 19") }
        }
    }
}
