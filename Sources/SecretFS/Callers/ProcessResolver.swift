import Glibc
package import Secrets
import Synchronization

/// Finds out who is asking from /proc.
///
/// The kernel sends a thread id that it translates into the process namespace of this process. That thread waits in
/// the kernel until its request is answered, so its number is not given to another one meanwhile, it does not exec,
/// and another thread of its process that execs waits for it. All the same nothing here depends on that: everything
/// is read in one /proc folder that stays the same thread's, as a pidfd does; its start time is compared before and
/// after when the folder is opened, its cgroup and, last of all, its program each time. What changed, went or cannot
/// be read is unknown.
package final class ProcessResolver: CallerResolver {
    /// Threads whose folders are kept open, two descriptors each. A program that reads one value and goes leaves its
    /// own behind until there are so many.
    static let maximumKnown = 64

    private let hashes: ExecutableHashes
    private let paths = PathLook()
    /// What the link /proc/PID/ns/user of this process says; nil if it cannot be read, and then nobody is in it.
    private let userNamespace: [UInt8]?
    private let remembers: Bool
    private let known = Mutex<[Int32: KnownThread]>([:])

    /// - Parameters:
    ///   - remembers: whether threads ask more than once.
    ///   - hash: SHA-256 of the whole file behind a descriptor, 32 bytes; nil if it cannot be read or has more bytes than
    ///     that.
    package init(
        remembers: Bool = true, hash: @escaping @Sendable (_ descriptor: Int32, _ count: Int) -> [UInt8]?
    ) {
        self.remembers = remembers
        hashes = ExecutableHashes(hash)
        userNamespace = try? ProcessFiles(thread: getpid()).link("ns/user")
    }

    package func identity(
        uid: UInt32, gid: UInt32, thread: Int32, _ question: CallerQuestion
    ) throws(CallerUnknown) -> CallerIdentity {
        guard thread > 0 else { throw CallerUnknown("it is outside of this process namespace") }
        let caller = CallerIdentity(uid: uid, gid: gid)
        guard question != .nothing else { return caller }
        if let kept = known.withLock({ $0[thread] }), let found = try? look(at: kept, question, caller) {
            return found
        }
        // Whoever has the number now takes the place; one that cannot be looked at leaves it empty.
        known.withLock { _ = $0.removeValue(forKey: thread) }
        let new = try KnownThread(thread: thread)
        let found = try look(at: new, question, caller)
        if remembers, new.program != nil { keep(new, as: thread) }
        return found
    }

    private func keep(_ thread: KnownThread, as number: Int32) {
        known.withLock { known in
            if known.count >= Self.maximumKnown { known.removeAll() }
            known[number] = thread
        }
    }

    private func look(
        at thread: KnownThread, _ question: CallerQuestion, _ caller: CallerIdentity
    ) throws(CallerUnknown) -> CallerIdentity {
        guard thread.isInItsCgroup else { throw CallerUnknown("its cgroup changed") }
        var caller = caller
        if question.process { caller.process = thread.process }
        // Read each time: a thread changes its user without any other trace.
        if question.rights {
            caller.rights = ProcessText.rights(inStatus: try thread.files.read("status", upTo: 65_536))
            guard caller.rights != nil else { throw CallerUnknown("its status cannot be understood") }
        }
        // A machine without cgroup v2 has none; then no rule on cgroups matches.
        if question.cgroup { caller.cgroup = thread.cgroup }
        // Only rules must know it; a record does without.
        if question.executable, thread.program != nil || !question.executables.isEmpty {
            caller.executable = try executable(thread, question.executables)
        }
        guard thread.program == nil || thread.runsItsProgram else {
            throw CallerUnknown("its program changed")
        }
        return caller
    }

    private func executable(
        _ caller: KnownThread, _ wanted: [CallerRule.Executable]
    ) throws(CallerUnknown) -> CallerIdentity.Executable {
        guard let program = caller.program else {
            throw CallerUnknown("its program may not be looked at, or has a path that is too long")
        }
        var found = CallerIdentity.Executable(path: program)
        let wanted = wanted.filter { program.bytes.elementsEqual($0.path.utf8) }
        // Nothing is opened and looked at but what a rule names: the path is the caller's choice, and may lead to a
        // file system that never answers.
        guard let rule = wanted.first, isInOurUserNamespace(caller.files) else { return found }
        let file = try caller.files.target("exe")
        if wanted.contains(where: { $0.sha256 == nil }), let ours = try paths.file(at: rule.path) {
            found.isOurs = ours.isSameFile(as: file)
        }
        if wanted.contains(where: { $0.sha256 != nil }) {
            // Opening it may wait for whoever serves it, and who serves it may show us other bytes than it runs.
            guard try isLocal(file, caller.files) else {
                throw CallerUnknown("the file system of its program is not one of a disk or of memory")
            }
            let opened = try caller.files.openTarget("exe")
            defer { close(opened) }
            found.sha256 = hashes.sha256(of: opened, expecting: file)
            // Reading it may have taken a while.
            guard try caller.files.target("exe").isSameFile(as: file) else {
                throw CallerUnknown("its program changed")
            }
        }
        return found
    }

    /// File systems whose content comes from a disk or from memory, and from nobody who could show one program and run
    /// another.
    private static let localFileSystems: Set<String> = [
        "bcachefs", "btrfs", "erofs", "exfat", "ext2", "ext3", "ext4", "f2fs", "iso9660", "jfs", "overlay",
        "ramfs",
        "rootfs", "squashfs", "tmpfs", "vfat", "xfs", "zfs",
    ]
    /// Of a mountinfo, in bytes: some 10,000 mounts.
    private static let maximumMounts = 2 << 20

    private func isLocal(_ file: FileIdentity, _ files: ProcessFiles) throws(CallerUnknown) -> Bool {
        let mounts = try files.read("mountinfo", upTo: Self.maximumMounts)
        let type = ProcessText.fileSystem(ofMount: file.mount, in: mounts)
        return type.map(Self.localFileSystems.contains) ?? false
    }

    /// In a user namespace of its own a process is root, and may tell the kernel that it runs another program
    /// (PR_SET_MM_MAP, prctl(2)): what /proc says of its program then means nothing.
    private func isInOurUserNamespace(_ files: ProcessFiles) -> Bool {
        guard let userNamespace else { return false }
        return files.link("ns/user", leadsTo: userNamespace)
    }
}
