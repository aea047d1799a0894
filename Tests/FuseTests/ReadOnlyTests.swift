import CLinux
import Fuse
import Glibc
import TestSupport
import Testing

@Suite(.enabled(if: isRootWithFuse, "needs root and /dev/fuse"), .timeLimit(.minutes(5)))
struct `A read-only mount` {
    /// Each returns -1 with errno, or the change was made.
    private static let changes: [(String, @Sendable (String) -> Int)] = [
        ("open for writing", { Int(open($0 + "/ENTRY_0", O_WRONLY)) }),
        ("open for both", { Int(open($0 + "/ENTRY_0", O_RDWR)) }),
        ("open and truncate", { Int(open($0 + "/ENTRY_0", O_RDONLY | O_TRUNC)) }),
        ("create", { Int(open($0 + "/NEW", O_CREAT | O_RDONLY, 0o600)) }),
        ("mknod", { Int(mknod($0 + "/NEW", S_IFREG | 0o600, 0)) }),
        ("mkdir", { Int(mkdir($0 + "/NEW", 0o700)) }),
        ("unlink", { Int(unlink($0 + "/ENTRY_0")) }),
        ("rmdir", { Int(rmdir($0 + "/ENTRY_0")) }),
        ("symlink", { Int(symlink("target", $0 + "/NEW")) }),
        ("link", { Int(link($0 + "/ENTRY_0", $0 + "/NEW")) }),
        ("rename", { Int(rename($0 + "/ENTRY_0", $0 + "/NEW")) }),
        ("truncate", { Int(truncate($0 + "/ENTRY_0", 0)) }),
        ("chmod", { Int(chmod($0 + "/ENTRY_0", 0o600)) }),
        ("chown", { Int(chown($0 + "/ENTRY_0", 1, 1)) }),
        ("utimes", { Int(utimes($0 + "/ENTRY_0", nil)) }),
        ("setxattr", { Int(setxattr($0 + "/ENTRY_0", "user.test", "x", 1, 0)) }),
        ("removexattr", { Int(removexattr($0 + "/ENTRY_0", "user.test")) }),
    ]

    @Test(arguments: [false, true])
    func `refuses every change with EROFS, also to root, also after remount,rw`(_ isRemounted: Bool) throws {
        try withMountedTree { server in
            if isRemounted {
                let flags = UInt(MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC)
                try #require(mount("secretfs", server.directory, MountTable.ourType, flags, nil) == 0)
            }
            for (name, change) in Self.changes {
                let result = change(server.directory)
                let failure = errno
                // rmdir of a file is ENOTDIR before anybody asks the file system.
                let expected = name == "rmdir" && isRemounted ? [EROFS, ENOTDIR] : [EROFS]
                #expect(result == -1 && expected.contains(failure), "\(name): \(result), errno \(failure)")
            }
            #expect(try text(of: server.directory + "/ENTRY_0") == "value 0")
        }
    }
}
