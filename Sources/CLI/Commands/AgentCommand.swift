import ArgumentParser
import CLinux
import Console
import Dispatch
import FoundationEssentials
import Fuse
import Glibc
import Logging
import Secrets
import Store

struct AgentCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agent",
        abstract: "Serve mounts in the foreground, for systemd; or stop the agent that runs.",
        discussion: """
            mount and run start an agent in the background if none runs; such an agent ends a minute after its \
            last mount. This one stays until SIGTERM or SIGINT, and then unmounts what it serves. It tells systemd \
            when it is ready (Type=notify) and logs to standard error.
            Examples:
              secretfs agent --state /var/lib/secretfs
              secretfs agent --stop
            """)
    @OptionGroup var state: StateOptions
    @Flag(help: "Stop the agent that runs: its mounts are unmounted.") var stop = false
    @Option(help: ArgumentHelp("End after so many seconds without a mount.", valueName: "seconds"))
    var exitWhenIdle: Int?
    @Flag(help: .hidden) var rootKeyFromStdin = false

    func validate() throws {
        guard exitWhenIdle.map({ $0 > 0 }) ?? true else {
            throw ValidationError("--exit-when-idle must be 1 or more")
        }
    }

    func run() throws {
        if stop { return try stopRunning() }
        do {
            try serve()
        } catch {
            // The command that started this agent waits on standard output for this.
            if rootKeyFromStdin { tellStarter(AgentAnswer(Failure(any: error))) }
            throw error
        }
    }

    private func stopRunning() throws {
        let directory = try state.directory
        let client = AgentClient(state: directory)
        // Only for cleaning up behind it; an agent that cannot tell its mounts can still be stopped.
        let mounts = (try? client.mounts()) ?? []
        guard try client.stop() else { return Output.line("No agent runs for \(directory.path).") }
        // The lock is free when it has unmounted what it can and ended.
        for _ in 0..<300 {
            if try ProcessLock(directory, of: .agent) != nil {
                unmountRest(mounts)
                return Output.line("Stopped the agent.")
            }
            usleep(100_000)
        }
        throw Failure(.retry, "the agent has not ended after 30 seconds", hint: "see \(directory.log)")
    }

    /// An agent without privileges cannot unmount: it has no_new_privs, and fusermount3 is set-uid.
    private func unmountRest(_ mounts: [ServedMountReport]) {
        let left = Set(((try? MountTable.current().ours) ?? []).map(\.point))
        let listed = mounts.filter { $0.isListed && !$0.isPrivate }
        _ = ListedUsers.detach(listed.map { ($0.uid, $0.mountPoint) }).wait(
            timeout: DispatchTime.now() + .seconds(5))
        for mount in mounts where !mount.isListed && !mount.isPrivate && left.contains(mount.mountPoint) {
            do {
                try Mounting.unmount(mount.mountPoint, lazily: true)
            } catch {
                Output.note("error: \(printable(mount.mountPoint)) is still mounted: \(error)")
            }
        }
    }

    private func serve() throws {
        // Before any thread is started: every thread inherits it.
        let signals = StopSignals()
        Hygiene.protectAgent()
        // Started by a command, it would be `exe` in lists of processes.
        _ = unsafe "secretfs-agent".withCString { unsafe linux_name_thread($0) }
        let directory = try state.directory
        let file = LogFile(directory.log)
        LoggingSystem.bootstrap { AgentLog($0, file) }
        let log = Logger(label: "secretfs.agent")
        _ = try SealedStore.open(at: directory.path)
        guard let lock = try ProcessLock(directory, of: .agent) else {
            if rootKeyFromStdin { return tellStarter(.done) }
            throw Failure(
                .exists, "an agent for \(directory.path) runs", hint: "stop it: secretfs agent --stop")
        }
        let store = try unseal(directory)
        // The folder that the command was in must not be kept from being unmounted. Options are read by now: their
        // relative paths start there.
        unsafe chdir("/")
        let agent = try Agent(store, directory, signals, log, exitWhenIdle: exitWhenIdle)
        try agent.start()
        ServiceNotice.ready.send()
        log.info("serving", metadata: ["state": "\(directory.path)"])
        if rootKeyFromStdin { tellStarter(.done) }
        signals.wait()
        ServiceNotice.stopping.send()
        agent.stop()
        log.info("stopped")
        withExtendedLifetime(lock) {}
    }

    /// The root key is in memory in here only.
    private func unseal(_ directory: StateDirectory) throws -> SecretStore {
        guard rootKeyFromStdin else {
            let unlocked = try state.unlock()
            return try unlocked.sealed.unseal(by: unlocked.root.key)
        }
        let root = try RootKey.read(from: STDIN_FILENO)
        return try SealedStore.open(at: directory.path).unseal(by: root)
    }

    /// One answer, then the end of standard output; it goes to /dev/null after that.
    private func tellStarter(_ answer: AgentAnswer) {
        if let data = try? JSONEncoder().encode(answer), let text = String(validating: data, as: UTF8.self) {
            Output.line(text)
        }
        let null = Files.open("/dev/null", O_RDWR)
        guard null >= 0 else { return }
        dup2(null, STDOUT_FILENO)
        dup2(null, STDIN_FILENO)
        close(null)
    }
}
