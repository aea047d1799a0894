import CLinux
import Console
import FoundationEssentials
import Fuse
import Glibc
import Store

/// Starts an agent in the background for a command that needs one.
struct AgentStart {
    /// An agent that a command started ends when it has served nothing for so long, in seconds: keys are in
    /// memory no longer than they are of use.
    static let idleSeconds = 60

    let options: StateOptions

    /// Returns when an agent serves.
    ///
    /// - Returns: whether it was started now. Then this process has opened the store, and has threads.
    @discardableResult
    func ensureRunning() throws -> Bool {
        let state = try options.directory
        guard try AgentSocket.connect(state) == nil else { return false }
        // Opened here, where a person can be asked and told; the agent gets the key through a pipe.
        let unlocked = try options.unlock()
        let (keyReader, keyWriter) = try Files.pipe()
        let (readyReader, readyWriter) = try Files.pipe()
        try spawn(state, standardInput: keyReader, ready: readyWriter)
        keyReader.closeNow()
        readyWriter.closeNow()
        // One that finds another agent at work ends, maybe before it has read this: what it says next tells which.
        try? unlocked.root.key.write(to: keyWriter.raw)
        keyWriter.closeNow()
        try waitUntilReady(readyReader, state)
        return true
    }

    private func spawn(_ state: StateDirectory, standardInput: OwnedDescriptor, ready: OwnedDescriptor)
        throws(Failure)
    {
        let log = Files.openLog(state.log)
        guard log >= 0 else { throw Failure(.io, "\(state.log) cannot be opened: \(errnoText())") }
        defer { close(log) }
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, standardInput.raw, STDIN_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, ready.raw, STDOUT_FILENO)
        unsafe posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO)
        // What the command inherited is not for a process that stays: somebody may wait for the end of a pipe.
        unsafe linux_posix_spawn_close_from(&actions, STDERR_FILENO + 1)
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // A session of its own: the terminal's signals and its end are the command's, not the agent's.
        unsafe posix_spawnattr_setflags(&attributes, Int16(linux_posix_spawn_setsid))
        let arguments = [
            "secretfs", "agent", "--state", state.path, "--root-key-from-stdin", "--exit-when-idle",
            String(Self.idleSeconds),
        ]
        // Not the caller's environment: it may hold secrets, and /proc/PID/environ shows it for ever. PATH is
        // where fusermount3 is found.
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        var pid = pid_t()
        let result = unsafe withCStrings(arguments) { arguments in
            unsafe withCStrings(["PATH=\(path)"]) { environment in
                unsafe posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, arguments, environment)
            }
        }
        guard result == 0 else { throw Failure(.system, "the agent cannot be started: \(errnoText(result))") }
    }

    /// The agent says nothing and closes its end when it serves, or says why it does not.
    private func waitUntilReady(_ reader: OwnedDescriptor, _ state: StateDirectory) throws(Failure) {
        var told: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while told.count < AgentSocket.maximumMessage {
            let got = unsafe read(reader.raw, &buffer, buffer.count)
            if got < 0 && errno == EINTR { continue }
            guard got > 0 else { break }
            told += buffer[..<got]
        }
        guard let answer = try? JSONDecoder().decode(AgentAnswer.self, from: Data(told)) else {
            throw Failure(.unavailable, "the agent ended while it started", hint: "see \(state.log)")
        }
        if case .failure(let status, let message, let hint) = answer {
            throw Failure(ExitStatus(rawValue: status) ?? .unavailable, message, hint: hint)
        }
    }
}
