import Fuse
import Secrets

/// One caller before the rules of one open. Who it is, is found out once, for the rules and for the record.
struct CallerGate {
    private let caller: Caller
    /// Whose mount it is, if it was made by somebody whom the agent does not trust with more: see `admit`.
    private let user: UInt32?
    private let resolver: any CallerResolver
    private let question: CallerQuestion
    private var identity: Result<CallerIdentity, CallerUnknown>?
    /// How many variables of `.environ` were not for this caller.
    var withheldCount = 0
    /// For the record: what the last rule that denied asks for. Names of kinds, which tell nothing of the rule's items.
    private(set) var denial: String?

    init(
        _ caller: Caller, _ resolver: any CallerResolver, for entries: [Entry], onlyFor user: UInt32? = nil
    ) {
        self.caller = caller
        self.user = user
        self.resolver = resolver
        var question = CallerQuestion.nothing
        question.rights = user != nil
        for entry in entries { for rule in entry.callers { question.add(rule) } }
        self.question = question
    }

    /// Lets nobody on but processes of the user whose mount it is.
    ///
    /// The kernel translates uid, gid and thread of each request into the namespaces in which the mount was made, and who
    /// made it chose those: in a user namespace of their own they are uid 0, in a process namespace of their own any
    /// number is theirs. So nothing of the request counts but the thread's number, and that only as the name of a process
    /// in our /proc, which must have the user's rights and no others. What is left: a user may pose as another process of
    /// their own (SECURITY.md#mounts-of-listed-users).
    ///
    /// - Throws: `.denied`.
    mutating func admit() throws(Refusal) {
        guard let user else { return }
        guard caller.thread > 0, case .success(let identity) = found(),
            identity.rights?.areAll(of: user) == true
        else {
            denial = "not a process of uid \(user), whose mount it is"
            throw .denied
        }
    }

    /// - Throws: `.denied` if a rule asks who it is and that cannot be told: then it is nobody's turn, and no
    ///   part of `.environ` is given out as if it were the whole.
    mutating func lets(_ entry: Entry) throws(Refusal) -> Bool {
        guard !entry.callers.isEmpty else { return true }
        // Outside of our process namespace: nobody whom a rule could mean.
        guard caller.thread > 0 else { return deny("not of the agent's process namespace") }
        if user == nil {
            let caller = CallerIdentity(uid: caller.uid, gid: caller.gid)
            let users = entry.callers.flatMap { $0.kindsOfUser(refusing: caller) }
            guard users.isEmpty else { return deny(rulesOn: users) }
            guard entry.callers.contains(where: \.needsProcess) else { return true }
        }
        switch found() {
        case .success(let identity):
            let kinds = entry.callers.flatMap { $0.kinds(refusing: identity) }
            return kinds.isEmpty ? true : deny(rulesOn: kinds)
        case .failure(let unknown):
            _ = deny("the caller is not known: \(unknown.reason)")
            throw .denied
        }
    }

    private mutating func deny(_ reason: String) -> Bool {
        denial = reason
        return false
    }

    private mutating func deny(rulesOn kinds: [CallerRule.Kind]) -> Bool {
        let names = CallerRule.Kind.allCases.filter { kinds.contains($0) }.map(\.rawValue)
        return deny("not for this " + names.joined(separator: " and this "))
    }

    /// Whom the record names. What cannot be told is left out: only rules deny.
    mutating func actor() -> AuditActor {
        // What a stranger's namespace says of uid and gid is nothing to record.
        var actor = user == nil ? AuditActor(uid: caller.uid, gid: caller.gid) : AuditActor()
        guard caller.thread > 0, case .success(let identity) = found() else {
            if caller.thread > 0 { actor.thread = caller.thread }
            return actor
        }
        actor.uid = identity.uid
        actor.gid = identity.gid
        actor.pid = identity.process
        actor.executable = identity.executable?.path.text
        actor.cgroup = identity.cgroup?.text
        return actor
    }

    private mutating func found() -> Result<CallerIdentity, CallerUnknown> {
        if let identity { return identity }
        // What rules ask for must be told; if only the rest cannot be, that denies nobody.
        var everything = CallerQuestion.everything
        everything.rights = question.rights
        everything.executables = question.executables
        var result = ask(everything)
        if case .failure = result, question != .nothing { result = ask(question) }
        identity = result
        return result
    }

    private func ask(_ question: CallerQuestion) -> Result<CallerIdentity, CallerUnknown> {
        do throws(CallerUnknown) {
            var identity = try resolver.identity(
                uid: caller.uid, gid: caller.gid, thread: caller.thread, question)
            guard user != nil else { return .success(identity) }
            guard let rights = identity.rights, rights.uids.count == 4, rights.gids.count == 4 else {
                return .failure(CallerUnknown("its rights are not known"))
            }
            (identity.uid, identity.gid) = (rights.uids[3], rights.gids[3])
            return .success(identity)
        } catch {
            return .failure(error)
        }
    }
}
