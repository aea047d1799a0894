import Foundation
import Store
import Testing

@Suite(.serialized) struct `Who may enter a store` {
    private func mode(_ path: String) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func set(_ mode: Int, _ path: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
    }

    @Test(arguments: ["0000", "0022", "0277", "0777"])
    func `files are 0600 in a directory of 0700, whatever the umask`(_ mask: String) throws {
        try withTemporaryDirectory { directory in
            let place = directory + "/state"
            // The umask belongs to the whole process: another one has it.
            let script = "umask \(mask) && \"$0\" create \"$1\" && exec \"$0\" pairs \"$1\" 1"
            let child = try ChildProcess("/bin/sh", ["-c", script, ChildProcess.writerPath, place])
            defer { child.kill() }
            #expect(child.line() == "created")
            #expect(child.line() == "1")
            #expect(try mode(place) == 0o700)
            for name in ["store.db", "store.db-wal", "store.db-shm"] {
                #expect(try mode("\(place)/\(name)") == 0o600)
            }
        }
    }

    @Test func `wider modes are narrowed when the store is opened`() throws {
        try withTemporaryDirectory { directory in
            let store = try SQLiteStorage.create(at: directory)
            try store.put("a")
            for name in ["store.db", "store.db-wal", "store.db-shm"] {
                try set(0o644, "\(directory)/\(name)")
            }
            try set(0o755, directory)
            _ = try SQLiteStorage.open(at: directory)
            #expect(try mode(directory) == 0o700)
            for name in ["store.db", "store.db-wal", "store.db-shm"] {
                #expect(try mode("\(directory)/\(name)") == 0o600)
            }
        }
    }

    @Test func `a directory that others use is not taken over`() throws {
        try withTemporaryDirectory { directory in
            try Data().write(to: URL(filePath: directory + "/something"))
            try set(0o755, directory)
            let error = #expect(throws: StorageError.self) { try SQLiteStorage.create(at: directory) }
            guard case .unavailable(directory, _) = error else { throw Unexpected(error: error) }
            #expect(try mode(directory) == 0o755)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["something"])
        }
    }

    @Test func `the log of a lost store is not replayed into a new one`() throws {
        try withTemporaryDirectory { directory in
            let log = directory + "/store.db-wal"
            try Data(repeating: 1, count: 5000).write(to: URL(filePath: log))
            let error = #expect(throws: StorageError.self) { try SQLiteStorage.create(at: directory) }
            guard case .unavailable(log, _) = error else { throw Unexpected(error: error) }
        }
    }

    @Test func `a symbolic link is not a store`() throws {
        try withTemporaryDirectory { directory in
            _ = try SQLiteStorage.create(at: directory + "/real")
            let other = directory + "/other"
            try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                atPath: other + "/store.db", withDestinationPath: directory + "/real/store.db")
            let error = #expect(throws: StorageError.self) { try SQLiteStorage.open(at: other) }
            guard case .unavailable = error else { throw Unexpected(error: error) }
        }
    }
}
