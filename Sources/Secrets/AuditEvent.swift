import Glibc

/// Something that is about to happen, or was refused. Names, never values, their lengths or anything made of them.
package struct AuditEvent: Sendable {
    package enum Outcome: String, CaseIterable, Sendable {
        /// Allowed, and about to happen.
        case ok
        /// A rule forbids it.
        case denied
        /// It did not happen, although allowed.
        case failed
    }

    package var action: AuditAction
    package var outcome: Outcome
    package var actor: AuditActor
    /// The algorithm or owner that it is about: for an open, the algorithm whose mount it is.
    package var home: SecretHome?
    package var secret: EnvironmentName?
    package var id: SecretID?
    package var version: Version?
    /// Of `.environ`: what was shown, and how many secrets were in it.
    package var generation: UInt64?
    package var entries: Int?
    /// What else there is to tell: a mount point, a grantee, a setting, why it failed.
    package var detail: String?

    package init(
        _ action: AuditAction, _ outcome: Outcome = .ok, by actor: AuditActor, home: SecretHome? = nil,
        secret: EnvironmentName? = nil, id: SecretID? = nil, version: Version? = nil,
        generation: UInt64? = nil, entries: Int? = nil, detail: String? = nil
    ) {
        self.action = action
        self.outcome = outcome
        self.actor = actor
        self.home = home
        self.secret = secret
        self.id = id
        self.version = version
        self.generation = generation
        self.entries = entries
        self.detail = detail
    }

    /// The same, which did not happen.
    package var failed: AuditEvent {
        var event = self
        event.outcome = .failed
        return event
    }
}

/// What is recorded. The texts are in files and scripts: never renamed (docs/FORMAT.md).
package enum AuditAction: String, CaseIterable, Sendable {
    // In a mount.
    case open
    case environ
    // In the store.
    case initialize = "init"
    case algorithmCreate = "algorithm.create"
    case algorithmUpdate = "algorithm.update"
    case algorithmDelete = "algorithm.delete"
    case secretCreate = "secret.create"
    case secretUpdate = "secret.update"
    case secretRollBack = "secret.rollback"
    case secretDestroy = "secret.destroy"
    case secretDelete = "secret.delete"
    case secretGrant = "secret.grant"
    case secretRevoke = "secret.revoke"
    case adminUpdate = "admin.update"
    // External providers.
    case providerCreate = "provider.create"
    case providerUpdate = "provider.update"
    case providerDelete = "provider.delete"
    case providerDefault = "provider.default"
    /// Of a secret: its value is about to be written to its provider, or deleted there.
    case providerWrite = "provider.write"
    // Users of the API, and their keys.
    case userCreate = "user.create"
    case userUpdate = "user.update"
    case userDelete = "user.delete"
    case apiKeyCreate = "api-key.create"
    case apiKeyRevoke = "api-key.revoke"
    /// With a password: who signed in, or was refused.
    case login
    case auditSettings = "audit.settings"
    case auditRotate = "audit.rotate"
    // Keys and copies.
    case seal
    case unseal
    case keyRotate = "key.rotate"
    case rootKeyChange = "root-key.change"
    case backup
    case restore
    // The agent.
    case agentStart = "agent.start"
    case agentStop = "agent.stop"
    case command
    case mount
    case unmount
    // The server.
    case serverStart = "server.start"
    case serverStop = "server.stop"
    /// A request to its API that was refused; what is done by one has the action of what is done.
    case apiRequest = "api.request"
    case authorityCreate = "ca.create"
    case certificateIssue = "ca.issue"
    // Nodes: machines that have their entries from a server.
    case nodeToken = "node.token"
    case nodeEnroll = "node.enroll"
    case nodeUpdate = "node.update"
    case nodeDelete = "node.delete"
    /// A node that connects, or is refused.
    case nodeConnect = "node.connect"
    /// Of an algorithm: a node asks to follow it.
    case nodeFollow = "node.follow"
    /// Of a version: its value leaves for a node, sealed to it.
    case nodeSend = "node.send"
    // The log of itself.
    case logBegin = "log.begin"
    case logLost = "log.lost"
    case logMend = "log.mend"
}

/// Who did it, as far as it is known.
package struct AuditActor: Hashable, Sendable {
    package var uid: UInt32?
    package var gid: UInt32?
    package var pid: Int32?
    /// The thread, where the process was not looked up.
    package var thread: Int32?
    /// Path of the program, as `/proc/PID/exe` has it.
    package var executable: String?
    /// Path of the control group, as `/proc/PID/cgroup` has it.
    package var cgroup: String?
    /// A user of the API, or another actor without a uid.
    package var user: String?
    /// Where a request to the API came from, as its connection has it, and what it is called in the server's log.
    package var address: String?
    package var request: String?

    package init(
        uid: UInt32? = nil, gid: UInt32? = nil, pid: Int32? = nil, thread: Int32? = nil,
        executable: String? = nil, cgroup: String? = nil, user: String? = nil
    ) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.thread = thread
        self.executable = executable
        self.cgroup = cgroup
        self.user = user
    }

    /// On whose behalf this thread changes the store; this process where nothing else is said:
    /// `AuditActor.$current.withValue(actor) { … }`.
    @TaskLocal package static var current: AuditActor?

    package static let thisProcess = AuditActor(
        uid: geteuid(), gid: getegid(), pid: getpid(), executable: Self.executable(of: "self"),
        cgroup: Self.cgroup(of: "self"))

    /// The process `pid`, looked up now: only for one that waits for us, so that its number is not another's.
    package init(waiting pid: Int32, uid: UInt32, gid: UInt32) {
        self.init(
            uid: uid, gid: gid, pid: pid, executable: Self.executable(of: "\(pid)"),
            cgroup: Self.cgroup(of: "\(pid)"))
    }

    /// Who makes a change in the name of `actor`.
    package init(changingAs actor: Actor) {
        if let current = Self.current {
            self = current
        } else if actor == .thisProcess {
            self = .thisProcess
        } else if actor.text.hasPrefix("uid "), let uid = UInt32(actor.text.dropFirst(4)) {
            self.init(uid: uid)
        } else {
            self.init(user: actor.userName ?? actor.text)
        }
    }

    private static func executable(of process: String) -> String? {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe readlink("/proc/\(process)/exe", &path, path.count)
        guard count > 0 else { return nil }
        return String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func cgroup(of process: String) -> String? {
        let file = unsafe open("/proc/\(process)/cgroup", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 16384)
        let count = unsafe read(file, &text, text.count)
        guard count > 0 else { return nil }
        // Version 2 is the line that starts with 0:: (cgroups(7)).
        let lines = text[..<count].split(separator: UInt8(ascii: "\n"))
        let line = lines.first { $0.starts(with: Array("0::".utf8)) }
        return line.map { String(decoding: $0.dropFirst(3), as: UTF8.self) }
    }
}
