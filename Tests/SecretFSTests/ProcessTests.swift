import Fuse
import Glibc
import Secrets
import Synchronization
import Testing

@testable import SecretFS

@Suite struct `What /proc says` {
    private static let rest = " S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 98765 2 3"

    @Test(arguments: ["a", "a b", "a) S 1 2 3", ")", "((", ") ) )", "\n", "x)\n7 (y", ""])
    func `has a start time whatever the process calls itself`(_ name: String) {
        #expect(ProcessText.startTime(inStat: Array("7 (\(name))\(Self.rest)\n".utf8)) == 98765)
    }

    @Test(arguments: [
        "", ")", "7 (a", "7 (a) S 1", "7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 -5 2",
        "7 (a) S 1 7 7 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 99999999999999999999999 2",
    ])
    func `is nothing where it is cut or no number`(_ text: String) {
        #expect(ProcessText.startTime(inStat: Array(text.utf8)) == nil)
    }

    @Test func `names the process of a thread, not what its name says`() {
        #expect(ProcessText.process(inStatus: Array("Name:\tx\\nTgid:\t5\nTgid:\t17\nPid:\t18\n".utf8)) == 17)
        #expect(ProcessText.process(inStatus: Array("Tgid:\t5\n".utf8)) == nil)
        #expect(ProcessText.process(inStatus: Array("Name:\tx\nTgid:\t99999999999\n".utf8)) == nil)
        #expect(ProcessText.process(inStatus: Array("Name:\tx\nTgid:\t\n".utf8)) == nil)
    }

    @Test func `tells the file system of a mount by its number`() {
        let text = """
            1360 36 0:3 / /a\\040- rw - proc proc rw
            36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
            37 35 0:50 / /home/- rw - fuse.sshfs - rw
            38 35 0:50 / /cut rw

            """
        func type(_ number: UInt64) -> String? {
            ProcessText.fileSystem(ofMount: number, in: Array(text.utf8))
        }
        #expect(type(36) == "ext3" && type(37) == "fuse.sshfs" && type(1360) == "proc")
        #expect(type(3) == nil && type(0) == nil && type(38) == nil)
    }

    @Test func `has the cgroup of hierarchy 0 and of no other`() {
        func path(_ text: String) -> String? {
            ProcessText.cgroup(in: Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
        }
        #expect(path("9:name=x::/fake\n4:memory:0::/fake\n0::/real:0::/x\n") == "/real:0::/x")
        #expect(path("4:memory:/a\n") == nil)
        #expect(path("0::a\n") == nil && path("0::\n") == nil && path("") == nil)
        #expect(path("10::/a\n") == nil)
    }
}

@Suite struct `The resolver` {
    private let resolver = ProcessResolver { _, _ in nil }

    @Test func `knows this process, also by a thread that is not its first`() throws {
        let found = Mutex<CallerIdentity?>(nil)
        let own = try #require(ownProgram())
        let question = CallerQuestion(
            process: true, executable: true, cgroup: true, executables: [.init(path: own, sha256: nil)])
        let thread = try Thread(named: "second") { [resolver] in
            let number = ownThread() ?? 0
            #expect(number != getpid())
            let identity = try? resolver.identity(uid: 1, gid: 2, thread: number, question)
            found.withLock { $0 = identity }
        }
        thread.join()
        let caller = try #require(found.withLock { $0 })
        #expect(caller.process == getpid() && caller.uid == 1 && caller.gid == 2)
        #expect(caller.executable?.path.bytes == Array(own.utf8) && caller.executable?.isOurs == true)
    }

    @Test func `opens no program that no rule names`() throws {
        let caller = try resolver.identity(
            uid: 0, gid: 0, thread: getpid(),
            CallerQuestion(executable: true, executables: [.init(path: "/elsewhere", sha256: nil)]))
        #expect(caller.executable?.isOurs == false && caller.executable?.sha256 == nil)
    }

    @Test(arguments: [0, -1, Int32.min, Int32.max])
    func `knows nobody by a number that is none`(_ number: Int32) {
        #expect(throws: CallerUnknown.self) {
            try resolver.identity(uid: 0, gid: 0, thread: number, .everything)
        }
    }

    @Test func `keeps a hash until the file changes`() throws {
        let count = Mutex(0)
        let hashes = ExecutableHashes { _, _ in
            count.withLock { $0 += 1 }
            return [UInt8](repeating: 1, count: 32)
        }
        func ask(_ path: String) throws -> [UInt8]? {
            let file = open(path, O_RDONLY)
            defer { close(file) }
            return hashes.sha256(of: file, expecting: try #require(FileIdentity(descriptor: file)))
        }
        let settled = "/bin/sh"
        for _ in 0..<3 { #expect(try ask(settled)?.count == 32) }
        #expect(count.withLock { $0 } == 1)
        let fresh = "/tmp/secretfs-hash-\(getpid())"
        close(open(fresh, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(fresh) }
        for _ in 0..<3 { _ = try ask(fresh) }
        #expect(count.withLock { $0 } == 4, "two changes within one tick have one ctime")
    }

    private func ownProgram() -> String? {
        guard let path = realpath("/proc/self/exe", nil) else { return nil }
        defer { free(path) }
        return String(cString: path)
    }
}

/// From the link /proc/thread-self, which leads to PID/task/TID.
private func ownThread() -> Int32? {
    var path = [CChar](repeating: 0, count: 64)
    let count = readlink("/proc/thread-self", &path, 64)
    guard count > 0 else { return nil }
    let text = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.split(separator: "/").last.flatMap { Int32($0) }
}
