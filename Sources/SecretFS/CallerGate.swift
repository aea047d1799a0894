import Fuse
import Secrets

/// One caller before the rules of one open. Who it is, is found out once, for the rules and for the record.
struct CallerGate {
    private let caller: Caller
    private let resolver: any CallerResolver
    private let question: CallerQuestion
    private var identity: Result<CallerIdentity, CallerUnknown>?
    /// How many variables of `.environ` were not for this caller.
    var withheldCount = 0

    init(_ caller: Caller, _ resolver: any CallerResolver, for entries: [Entry]) {
        self.caller = caller
        self.resolver = resolver
        var question = CallerQuestion.nothing
        for entry in entries { for rule in entry.callers { question.add(rule) } }
        self.question = question
    }

    /// - Throws: `.denied` if a rule asks who it is and that cannot be told: then it is nobody's turn, and no
    ///   part of `.environ` is given out as if it were the whole.
    mutating func lets(_ entry: Entry) throws(Refusal) -> Bool {
        guard !entry.callers.isEmpty else { return true }
        // Outside of our process namespace: nobody whom a rule could mean.
        guard caller.thread > 0,
            entry.callers.allSatisfy({ $0.mayAllow(uid: caller.uid, gid: caller.gid) })
        else { return false }
        guard entry.callers.contains(where: \.needsProcess) else { return true }
        guard case .success(let identity) = found() else { throw .denied }
        return entry.callers.allSatisfy { $0.allows(identity) }
    }

    /// Whom the record names. What cannot be told is left out: only rules deny.
    mutating func actor() -> AuditActor {
        var actor = AuditActor(uid: caller.uid, gid: caller.gid)
        guard caller.thread > 0, case .success(let identity) = found() else {
            if caller.thread > 0 { actor.thread = caller.thread }
            return actor
        }
        actor.pid = identity.process
        actor.executable = identity.executable.map { String(decoding: $0.path, as: UTF8.self) }
        actor.cgroup = identity.cgroup.map { String(decoding: $0, as: UTF8.self) }
        return actor
    }

    private mutating func found() -> Result<CallerIdentity, CallerUnknown> {
        if let identity { return identity }
        // What rules ask for must be told; if only the rest cannot be, that denies nobody.
        var everything = CallerQuestion.everything
        everything.executables = question.executables
        var result = ask(everything)
        if case .failure = result, question != .nothing { result = ask(question) }
        identity = result
        return result
    }

    private func ask(_ question: CallerQuestion) -> Result<CallerIdentity, CallerUnknown> {
        do throws(CallerUnknown) {
            return .success(
                try resolver.identity(uid: caller.uid, gid: caller.gid, thread: caller.thread, question))
        } catch {
            return .failure(error)
        }
    }
}
