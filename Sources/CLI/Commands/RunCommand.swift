import ArgumentParser
import CLinux
import Console
import FoundationEssentials
import Fuse
import Glibc
import SecretFS
import Secrets

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run a program with an algorithm's secrets, in a mount that only it sees.",
        discussion: """
            The program gets each secret as an environment variable and as a file in the directory that \
            SECRETFS_DIRECTORY names. The mount is in a mount namespace of its own and ends with the program and its \
            children. This process becomes the program: same pid, its signals and exit status.
            Examples:
              secretfs run nlp/Summarizer -- python3 algorithm.py
              secretfs run nlp/Summarizer --clear --only MYSQL_PASSWORD -- /usr/bin/env
              secretfs run nlp/Summarizer --state /var/lib/secretfs -- python3 algorithm.py
            The last one is for a user who is listed to mount it (secretfs mounters).
            """)
    @OptionGroup var state: StateOptions
    @OptionGroup var owner: OwnerOptions
    @Argument(help: "OWNER/NAME.", completion: Completion.algorithms) var algorithm: String
    @Option(help: "Only these entries (A,B); as often as needed.") var only: [String] = []
    @Option(help: "Fail before the program starts if one of these is missing (A,B).") var require: [String] =
        []
    @Option(help: "Give variable OLD the name NEW (NEW=OLD).") var rename: [String] = []
    @Option(help: "Put this before each variable's name.") var prefix: String?
    @Option(help: ArgumentHelp("Insist on a name that can make programs run other code.", valueName: "name"))
    var allowName: [String] = []
    @Flag(help: "Start from an empty environment.") var clear = false
    @Option(help: "With --clear: keep these inherited variables (A,B).") var keep: [String] = []
    @Flag(help: "An inherited variable wins over a secret of its name.") var keepInherited = false
    @Option(
        help: ArgumentHelp(
            "How long the values of providers are waited for before the program starts (10s; 0s: not at all).",
            valueName: "time"))
    var wait = "10s"
    @Argument(parsing: .postTerminator, help: "The program and its arguments, after --.") var program:
        [String]

    func validate() throws {
        guard !program.isEmpty else {
            throw ValidationError("no program: secretfs run OWNER/NAME -- PROGRAM")
        }
    }

    func run() throws {
        let name = try AlgorithmName(algorithm)
        let attributes = try owner.parsed()
        let seconds = try ProviderOptions.seconds(wait, "--wait", 0...86_400)
        let shim = try ProgramPath.shim()
        var serving = Serving(options: state)
        let hasStartedAgent = try serving.prepare(owner)
        // Only a process without threads enters a user namespace, and to start an agent the store was opened,
        // which starts some. The same process begins again, and finds the agent.
        if hasStartedAgent, geteuid() != 0 { try become("/proc/self/exe", CommandLine.arguments) }
        let directory = try mountFolder(isOfOther: serving.isOfOther)
        try enterPrivateNamespace()
        try serving.mount(name, at: directory, attributes, isPrivate: true)
        // Another user's agent tells nobody what is missing: then the shim finds it out.
        if seconds > 0, !serving.isOfOther {
            try ExternalWait.wait(for: name, seconds, AgentClient(state: try state.directory))
        }
        unsafe setenv("SECRETFS_DIRECTORY", directory, 1)
        try become(shim, [shim] + shimOptions(name) + [directory, "--"] + program)
    }

    /// The same folder for everybody: each program sees its own mount there. Nobody else may be able to put
    /// another directory in its place, also not from another mount namespace.
    private func mountFolder(isOfOther: Bool) throws(Failure) -> String {
        guard geteuid() != 0 else {
            try MountFolder.makeOurs(MountFolder.ofPrograms)
            return MountFolder.ofPrograms
        }
        // Made by root's agent. In a mount namespace of its own a user may mount there too.
        if isOfOther, MountFolder.isOfProgramsReady { return MountFolder.ofPrograms }
        let runtime = ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"]
        var base = isOfOther ? try StateDirectory.ofUser().path : try state.directory.path
        if let runtime, MountFolder.isClosed(runtime) { base = runtime + "/secretfs" }
        let path = base + "/self"
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        } catch {
            throw Failure(.io, "\(path) cannot be made: \(errnoText())")
        }
        guard MountFolder.isClosed(base) else {
            throw Failure(
                .denied, "\(base) is open to others, who could put another directory in its place",
                hint: "chmod 0700 \(base)")
        }
        return path
    }

    private func enterPrivateNamespace() throws(Failure) {
        // The kernel gives /proc/self of a process that cannot be dumped to root, and a user's uid map is
        // written there. No value and no key is in this process's memory at this point.
        if geteuid() != 0 { linux_set_dumpable(1) }
        defer { linux_set_dumpable(0) }
        do {
            try PrivateNamespace.enter()
        } catch {
            switch error {
            case .userNamespacesNotPermitted(let errno):
                throw Failure(
                    .denied, "this user may not make a user namespace: \(errnoText(errno))",
                    hint: "use secretfs mount and secretfs-env, or run as root")
            case .severalThreads:
                throw Failure(.system, "a user namespace cannot be entered by a process with threads")
            case .system(let call, let errno): throw Failure(.system, "\(call): \(errnoText(errno))")
            }
        }
    }

    private func shimOptions(_ name: AlgorithmName) -> [String] {
        var options: [String] = []
        options += only.map { "--only=\($0)" }
        options += require.map { "--require=\($0)" }
        options += rename.map { "--rename=\($0)" }
        if let prefix { options.append("--prefix=\(prefix)") }
        options += allowName.map { "--allow-name=\($0)" }
        // The program is told where its files are, also when it gets nothing else.
        if clear { options += ["--clear", "--keep=SECRETFS_DIRECTORY"] }
        options += keep.map { "--keep=\($0)" }
        if keepInherited { options.append("--keep-inherited") }
        return options
    }

    private func become(_ path: String, _ arguments: [String]) throws(Failure) -> Never {
        Hygiene.restoreForProgram()
        _ = unsafe withCStrings(arguments) { unsafe execv(path, $0) }
        throw Failure(.unavailable, "\(path) cannot be started: \(errnoText())")
    }
}
