/// The process behind one open. Plain data, for rules and for the audit log; what was not asked for is nil.
package struct CallerIdentity: Hashable, Sendable {
    /// The effective user and group for files (fsuid, fsgid), as the kernel sent them with the request.
    package var uid: UInt32
    package var gid: UInt32
    /// The process, not the thread.
    package var process: Int32?
    package var executable: Executable?
    /// The path in the cgroup v2 hierarchy as this process sees it; `/..` at its start: outside of what it sees.
    package var cgroup: ProcessPath?
    /// Whose rights the thread has, as this process's user namespace numbers them.
    package var rights: Rights?

    /// The user and group ids of a thread, from /proc and not from the mount.
    package struct Rights: Hashable, Sendable {
        /// Real, effective, saved, and for files.
        package let uids: [UInt32]
        package let gids: [UInt32]
        /// In how many process namespaces it has a number, from that of /proc inwards. 1: in that one only.
        package let depth: Int

        /// - Parameter uids, gids: four each.
        package init(uids: [UInt32], gids: [UInt32], depth: Int) {
            self.uids = uids
            self.gids = gids
            self.depth = depth
        }

        /// Whether it is this user through and through: no set-uid program, and nobody who is about to become another.
        package func areAll(of uid: UInt32) -> Bool { uids.count == 4 && uids.allSatisfy { $0 == uid } }
    }

    /// The program file that the process runs.
    package struct Executable: Hashable, Sendable {
        /// As `/proc/PID/exe` has it: in the process's own mount namespace, and with ` (deleted)` at its end if it
        /// has gone.
        package let path: ProcessPath
        /// Whether it is the file that this machine has under that path. Only known for paths that were asked for.
        package var isOurs: Bool
        /// 32 bytes; nil if it was not asked for, or cannot be told.
        package var sha256: [UInt8]?

        package init(path: ProcessPath, isOurs: Bool = false, sha256: [UInt8]? = nil) {
            self.path = path
            self.isOurs = isOurs
            self.sha256 = sha256
        }
    }

    package init(
        uid: UInt32, gid: UInt32, process: Int32? = nil, executable: Executable? = nil,
        cgroup: ProcessPath? = nil
    ) {
        self.uid = uid
        self.gid = gid
        self.process = process
        self.executable = executable
        self.cgroup = cgroup
    }
}

/// What has to be found out about a caller.
package struct CallerQuestion: Hashable, Sendable {
    package var process: Bool
    package var executable: Bool
    package var cgroup: Bool
    package var rights: Bool
    /// Program files to compare the caller's with.
    package var executables: [CallerRule.Executable]

    package static let nothing = CallerQuestion()
    /// All that an audit record says.
    package static let everything = CallerQuestion(process: true, executable: true, cgroup: true)

    package init(
        process: Bool = false, executable: Bool = false, cgroup: Bool = false, rights: Bool = false,
        executables: [CallerRule.Executable] = []
    ) {
        self.rights = rights
        self.process = process
        self.executable = executable
        self.cgroup = cgroup
        self.executables = executables
    }

    package mutating func add(_ rule: CallerRule) {
        executables += rule.executables
        executable = executable || !rule.executables.isEmpty
        cgroup = cgroup || !rule.cgroups.isEmpty
    }
}

/// It cannot be told who is asking: the process has gone, changed meanwhile, is outside of our process namespace, or
/// may not be looked at. Whoever needs to know denies.
package struct CallerUnknown: Error, Equatable {
    /// For the log.
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
}

/// Finds out who is asking.
package protocol CallerResolver: Sendable {
    /// - Parameters:
    ///   - uid, gid: as the kernel sent them.
    ///   - thread: the thread id that the kernel sent; 0 or less when it has none in our process namespace.
    func identity(
        uid: UInt32, gid: UInt32, thread: Int32, _ question: CallerQuestion
    ) throws(CallerUnknown) -> CallerIdentity
}

/// Knows nobody: what asks about processes is denied.
package struct NoCallerResolver: CallerResolver {
    package init() {}
    package func identity(
        uid: UInt32, gid: UInt32, thread: Int32, _ question: CallerQuestion
    ) throws(CallerUnknown) -> CallerIdentity {
        throw CallerUnknown("nothing is known of processes")
    }
}
