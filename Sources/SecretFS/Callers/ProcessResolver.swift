import Glibc
package import Secrets

/// Finds out who is asking from /proc.
///
/// The kernel sends a thread id that it translates into the process namespace of this process. That thread waits in
/// the kernel until its request is answered, so its number is not given to another one meanwhile, it does not exec,
/// and another thread of its process that execs waits for it. All the same nothing here depends on that: everything
/// is read in one /proc folder that stays the same thread's, its start time is compared before and after, and so is
/// the program file. What changed, went or cannot be read is unknown.
package final class ProcessResolver: CallerResolver {
    private let hashes: ExecutableHashes
    /// The user namespace of this process; nil if it cannot be read, and then nobody is in it.
    private let userNamespace: FileIdentity?

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
        let files = try ProcessFiles(thread: thread)
        let before = try startTime(files)
        if question.process {
            caller.process = ProcessText.process(inStatus: try files.read("status", upTo: 65_536))
            if caller.process == nil { throw CallerUnknown("its status cannot be understood") }
        }
        if question.cgroup {
            // A machine without cgroup v2 has no such line; then no rule on cgroups matches.
            caller.cgroup = ProcessText.cgroup(in: try files.read("cgroup", upTo: 65_536))
        }
        if question.executable { caller.executable = try executable(files, question.executables) }
        guard try startTime(files) == before else { throw CallerUnknown("it was replaced") }
        return caller
    }

    private func startTime(_ files: ProcessFiles) throws(CallerUnknown) -> UInt64 {
        guard let time = ProcessText.startTime(inStat: try files.read("stat", upTo: 4096)) else {
            throw CallerUnknown("its stat cannot be understood")
        }
        return time
    }

    private func executable(
        _ files: ProcessFiles, _ wanted: [CallerRule.Executable]
    ) throws(CallerUnknown) -> CallerIdentity.Executable {
        let path = try files.link("exe")
        var found = CallerIdentity.Executable(path: path)
        let wanted = wanted.filter { path.elementsEqual($0.path.utf8) }
        // Nothing is opened and looked at but what a rule names: the path is the caller's choice, and may lead to a
        // file system that never answers.
        guard let rule = wanted.first, try isInOurUserNamespace(files) else { return found }
        let before = try files.target("exe")
        if wanted.contains(where: { $0.sha256 == nil }), let ours = FileIdentity(rule.path) {
            found.isOurs = ours.isSameFile(as: before)
        }
        if wanted.contains(where: { $0.sha256 != nil }) {
            let file = try files.openTarget("exe")
            defer { close(file) }
            found.sha256 = hashes.sha256(of: file, expecting: before)
        }
        // An exec in between shows in one of them.
        guard try files.target("exe").isSameFile(as: before), try files.link("exe") == path else {
            throw CallerUnknown("its program changed")
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
