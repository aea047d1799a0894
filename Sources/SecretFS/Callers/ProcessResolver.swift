import Glibc
package import Secrets
import Synchronization

/// Finds out who is asking from /proc.
///
/// The kernel sends a thread id that it translates into the process namespace of this process. That thread waits in
/// the kernel until its request is answered, so its number is not given to another one meanwhile, it does not exec,
/// and another thread of its process that execs waits for it. All the same nothing here depends on that: everything
/// is read in one /proc folder that stays the same thread's, as a pidfd does; its start time is compared before and
/// after when the folder is opened, its program and cgroup each time. What changed, went or cannot be read is
/// unknown.
package final class ProcessResolver: CallerResolver {
    /// Threads whose folders are kept open, two descriptors each. A program that reads one value and goes leaves its
    /// own behind until there are so many.
    static let maximumKnown = 64

    private let hashes: ExecutableHashes
    /// The user namespace of this process; nil if it cannot be read, and then nobody is in it.
    private let userNamespace: FileIdentity?
    private let known = Mutex<[Int32: KnownThread]>([:])

    /// - Parameter hash: SHA-256 of the whole file behind a descriptor, 32 bytes; nil if it cannot be read or has
    ///   more bytes than that.
    package init(hash: @escaping @Sendable (_ descriptor: Int32, _ count: Int) -> [UInt8]?) {
        hashes = ExecutableHashes(hash)
        userNamespace = FileIdentity("/proc/self/ns/user")
    }

    package func identity(
        uid: UInt32, gid: UInt32, thread: Int32, _ question: CallerQuestion
    ) throws(CallerUnknown) -> CallerIdentity {
        guard thread > 0 else { throw CallerUnknown("it is outside of this process namespace") }
        var caller = CallerIdentity(uid: uid, gid: gid)
        guard question != .nothing else { return caller }
        let found = try knownThread(thread)
        if question.process { caller.process = found.process }
        // A machine without cgroup v2 has none; then no rule on cgroups matches.
        if question.cgroup { caller.cgroup = found.cgroup }
        if question.executable { caller.executable = try executable(found, question.executables) }
        return caller
    }

    /// The thread of that number now.
    private func knownThread(_ number: Int32) throws(CallerUnknown) -> KnownThread {
        if let kept = known.withLock({ $0[number] }), kept.isUnchanged() { return kept }
        // Whoever it is keeps or takes the place; one that cannot be looked at leaves it empty.
        known.withLock { _ = $0.removeValue(forKey: number) }
        let new = try KnownThread(thread: number)
        known.withLock { known in
            if known.count >= Self.maximumKnown { known.removeAll() }
            if new.program != nil { known[number] = new }
        }
        return new
    }

    private func executable(
        _ caller: KnownThread, _ wanted: [CallerRule.Executable]
    ) throws(CallerUnknown) -> CallerIdentity.Executable {
        guard let program = caller.program else { throw CallerUnknown("its program may not be looked at") }
        var found = CallerIdentity.Executable(path: program)
        let wanted = wanted.filter { program.elementsEqual($0.path.utf8) }
        // Nothing is opened and looked at but what a rule names: the path is the caller's choice, and may lead to a
        // file system that never answers.
        guard let rule = wanted.first, try isInOurUserNamespace(caller.files) else { return found }
        let before = try caller.files.target("exe")
        if wanted.contains(where: { $0.sha256 == nil }), let ours = FileIdentity(rule.path) {
            found.isOurs = ours.isSameFile(as: before)
        }
        if wanted.contains(where: { $0.sha256 != nil }) {
            let file = try caller.files.openTarget("exe")
            defer { close(file) }
            found.sha256 = hashes.sha256(of: file, expecting: before)
        }
        // An exec in between shows in one of them.
        guard try caller.files.target("exe").isSameFile(as: before), caller.isUnchanged() else {
            throw CallerUnknown("it changed while it was looked at")
        }
        return found
    }

    /// In a user namespace of its own a process is root, and may tell the kernel that it runs another program
    /// (PR_SET_MM_MAP, prctl(2)): what /proc says of its program then means nothing.
    private func isInOurUserNamespace(_ files: ProcessFiles) throws(CallerUnknown) -> Bool {
        guard let userNamespace else { return false }
        return try files.target("ns/user").isSameFile(as: userNamespace)
    }
}
