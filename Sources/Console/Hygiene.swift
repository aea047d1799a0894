import CLinux
import Glibc
import Synchronization

/// What every process of ours does before it touches a value (R1, R6; docs/SECURITY: process hygiene).
package enum Hygiene {
    /// The limit that a program we become must get back.
    private static let coreLimit = Mutex(rlimit())
    /// Whether it was started with SIGPIPE ignored: then the program finds it so, too.
    private static let ignoredBrokenPipe = Mutex(false)

    /// No core file, no memory in a crash's report, no ptrace or /proc/PID/mem by other processes of this user.
    package static func protectProcess() {
        linux_set_dumpable(0)
        let before = Files.limit(RLIMIT_CORE)
        coreLimit.withLock { $0 = before }
        setCoreLimit(rlimit(rlim_cur: 0, rlim_max: before.rlim_max))
        // Swift's runtime would answer a crash with the registers and the memory that they point to, in the log
        // or on the terminal (SWIFT_BACKTRACE), and keep a process alive that was told to end.
        for number in [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
            linux_no_handler(number)
        }
        // A reader of our output that leaves is an error code, not our death in the middle of a change.
        ignoredBrokenPipe.withLock { $0 = linux_ignore_signal(SIGPIPE) }
    }

    /// For the agent: also no way to more privileges, and no page of ours on a swap device where that can
    /// be had. Values are locked by themselves; this covers copies that libraries make of keys.
    package static func protectAgent() {
        linux_set_no_new_privs()
        // MCL_FUTURE counts address space, not what is used: under a limit it would make later mappings fail.
        guard geteuid() == 0 || Files.limit(__RLIMIT_MEMLOCK).rlim_cur == .max else { return }
        linux_lock_all_memory()
        linux_unlock_code()
    }

    /// For a program that has come to what it does from now on: the code of its start leaves its memory.
    package static func endStart() { linux_drop_code() }

    /// Undoes what a program that this process becomes must not inherit.
    package static func restoreForProgram() {
        setCoreLimit(coreLimit.withLock { $0 })
        if !ignoredBrokenPipe.withLock({ $0 }) { signal(SIGPIPE, SIG_DFL) }
    }

    private static func setCoreLimit(_ limit: rlimit) {
        var limit = limit
        unsafe setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
    }
}
