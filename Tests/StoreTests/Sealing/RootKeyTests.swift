import Foundation
import Glibc
import Secrets
import Store
import Testing

@Suite struct `Root keys` {
    /// The same key seals and opens; comparing keys themselves is not possible, and need not be.
    private func isSame(_ first: borrowing RootKey, _ second: borrowing RootKey) throws -> Bool {
        do {
            _ = try Keyring(opening: try Keyring.create().sealed(by: first), with: second)
            return true
        } catch KeyringError.wrongRootKey { return false }
    }

    private func write(_ text: String, to path: String, mode: mode_t = 0o400) throws {
        try Data(text.utf8).write(to: URL(filePath: path))
        #expect(chmod(path, mode) == 0)
    }

    private let line = "secretfs-root-key-1:" + String(repeating: "0f", count: 32)

    @Test func `a key file is one line of 85 bytes, mode 0400, and reads back`() throws {
        try withTemporaryFolder { folder in
            let file = try RootKeyFile(folder + "/root.key")
            let key = try RootKey.random()
            try file.create(key)
            var status = stat()
            #expect(stat(file.path, &status) == 0 && status.st_mode & 0o7777 == 0o400 && status.st_size == 85)
            let text = try String(contentsOfFile: file.path, encoding: .utf8)
            #expect(text.wholeMatch(of: /secretfs-root-key-1:[0-9a-f]{64}\n/) != nil)
            #expect(try isSame(key, try file.read()))
        }
    }

    @Test func `an existing file is never replaced, not even through a dangling link`() throws {
        try withTemporaryFolder { folder in
            let file = try RootKeyFile(folder + "/root.key")
            try write("precious", to: file.path)
            #expect(throws: RootKeyError.exists(path: file.path)) { try file.create(try RootKey.random()) }
            #expect(try String(contentsOfFile: file.path, encoding: .utf8) == "precious")
            let link = try RootKeyFile(folder + "/link")
            #expect(symlink(folder + "/elsewhere", link.path) == 0)
            #expect(throws: RootKeyError.exists(path: link.path)) { try link.create(try RootKey.random()) }
        }
    }

    @Test func `a folder that is not there is named`() throws {
        try withTemporaryFolder { folder in
            let file = try RootKeyFile(folder + "/none/root.key")
            let error = #expect(throws: RootKeyError.self) { try file.create(try RootKey.random()) }
            #expect(error == .folderMissing(path: file.path))
            #expect(throws: RootKeyError.missing(path: file.path)) { _ = try file.read() }
        }
    }

    @Test(arguments: [0o400, 0o600, 0o500, 0o700] as [mode_t])
    func `a file for its owner only is accepted`(_ mode: mode_t) throws {
        try withTemporaryFolder { folder in
            try write(line, to: folder + "/k", mode: mode)
            _ = try RootKeyFile(folder + "/k").read()
        }
    }

    @Test(arguments: [0o440, 0o404, 0o420, 0o402, 0o410, 0o401, 0o644, 0o777] as [mode_t])
    func `a file that others may touch is refused with the remedy`(_ mode: mode_t) throws {
        try withTemporaryFolder { folder in
            let path = folder + "/k"
            try write(line, to: path, mode: mode)
            let error = #expect(throws: RootKeyError.self) { _ = try RootKeyFile(path).read() }
            #expect(error == .tooOpen(path: path, mode: UInt16(mode), remedy: 0o400))
            #expect(error?.description.contains("mode 0\(String(mode, radix: 8))") == true)
            #expect(error?.hint.hasPrefix("chmod 0400 /") == true)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "only root can give a file away"))
    func `a stranger's file is refused`() throws {
        try withTemporaryFolder { folder in
            try write(line, to: folder + "/k")
            #expect(chown(folder + "/k", 4711, 4711) == 0)
            #expect(throws: RootKeyError.foreignOwner(path: folder + "/k", uid: 4711)) {
                _ = try RootKeyFile(folder + "/k").read()
            }
        }
    }

    @Test func `links, directories and pipes are not read`() throws {
        try withTemporaryFolder { folder in
            try write(line, to: folder + "/k")
            #expect(symlink(folder + "/k", folder + "/link") == 0)
            #expect(mkfifo(folder + "/pipe", 0o400) == 0)
            for path in [folder + "/link", folder, folder + "/pipe"] {
                #expect(throws: RootKeyError.notAFile(path: path)) { _ = try RootKeyFile(path).read() }
            }
        }
    }

    @Test func `the text may lack its newline and nothing else`() throws {
        let cut = String(line.dropLast())
        let wrong: [String] = [
            "", "\n", "\(line)\n\n", "\(line)\r\n", " \(line)", "\(line)0", cut, line.uppercased(), "\(cut)g",
            "\(cut)/",
            "\(cut):", "\(cut)`", "\(cut)\u{0}", String(repeating: "x", count: 100_000), "hunter2\n",
            "secretfs-root-key-1:" + String(repeating: "é", count: 32),
            "secretfs-root-key-0:\(line.dropFirst(20))",
        ]
        try withTemporaryFolder { folder in
            try write(line, to: folder + "/bare")
            try write(line + "\n", to: folder + "/line")
            #expect(
                try isSame(try RootKeyFile(folder + "/bare").read(), try RootKeyFile(folder + "/line").read())
            )
            for (index, text) in wrong.enumerated() {
                let path = "\(folder)/\(index)"
                try write(text, to: path)
                let error = #expect(throws: RootKeyError.self, "\(index)") {
                    _ = try RootKeyFile(path).read()
                }
                #expect(error == .notARootKey(path: path), "\(index)")
            }
            try write("secretfs-root-key-2:anything", to: folder + "/newer")
            #expect(throws: RootKeyError.newerFormat(what: folder + "/newer", found: 2, known: 1)) {
                _ = try RootKeyFile(folder + "/newer").read()
            }
        }
    }

    @Test(arguments: ["", "root.key", "./root.key", "/a\u{0}b", "/" + String(repeating: "a", count: 4095)])
    func `a path that is not absolute is refused`(_ path: String) {
        #expect(throws: RootKeyError.badPath(path)) { try RootKeyFile(path) }
    }

    @Test(arguments: [
        "", ".", "..", ".hidden", "a/b", "/etc/passwd", "a b", "a\u{0}", "ä",
        String(repeating: "a", count: 256),
    ])
    func `a credential's name cannot leave its directory`(_ name: String) {
        #expect(throws: RootKeyError.badCredentialName(name)) { try RootKeyCredential(name) }
    }

    @Test func `a credential is text or 32 raw bytes, readable by the group that systemd's ACL stands for`()
        throws
    {
        try withTemporaryFolder { folder in
            let credential = try RootKeyCredential("secretfs.root")
            let path = folder + "/secretfs.root"
            #expect(throws: RootKeyError.noCredentials) { _ = try credential.read(in: nil) }
            #expect(throws: RootKeyError.missing(path: path)) { _ = try credential.read(in: folder) }
            try write(line, to: path, mode: 0o440)
            let text = try credential.read(in: folder)
            #expect(chmod(path, 0o600) == 0)
            try write(String(repeating: "\u{f}", count: 32), to: path, mode: 0o400)
            #expect(try isSame(text, try credential.read(in: folder)))
            for mode in [0o444, 0o460, 0o450, 0o401] as [mode_t] {
                #expect(chmod(path, mode) == 0)
                #expect(throws: RootKeyError.tooOpen(path: path, mode: UInt16(mode), remedy: 0o440)) {
                    _ = try credential.read(in: folder)
                }
            }
            #expect(chmod(path, 0o600) == 0)
            try write(String(repeating: "x", count: 33), to: path)
            #expect(throws: RootKeyError.notARootKey(path: path)) { _ = try credential.read(in: folder) }
        }
    }

    @Test func `an error shows a hostile path without its control characters`() {
        let error = RootKeyError.missing(path: "/tmp/\u{1b}[2J")
        #expect(!error.description.unicodeScalars.contains("\u{1b}"))
    }

    @Test func `a key file is not taken from where others decide what it holds`() throws {
        // Owned by root or us, mode 0400, and its content is what the process likes.
        #expect {
            _ = try RootKeyFile("/proc/self/environ").read()
        } throws: { error in
            if case .untrustedPlace = error as? RootKeyError { true } else { false }
        }
        try withTemporaryDirectory { directory in
            let file = try RootKeyFile(directory + "/root.key")
            try file.create(RootKey.random())
            #expect(chmod(directory, 0o777) == 0)
            #expect {
                _ = try file.read()
            } throws: { error in
                if case .untrustedPlace = error as? RootKeyError { true } else { false }
            }
            #expect(chmod(directory, 0o700) == 0)
            _ = try file.read()
        }
    }
}
