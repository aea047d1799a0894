import Fuse
import Secrets

/// Who may use an admin mount, and in whose name a change is made.
extension AdminTree {
    /// The caller's thread as our /proc knows it; 0 if it cannot.
    func thread(of caller: Caller) -> Int32 { knowsThreads ? caller.thread : 0 }

    /// Who is behind a request, looked up while the kernel makes it wait. After `admit`.
    func actor(of caller: Caller) -> AuditActor {
        if let user {
            let identity = identity(of: caller)
            guard let process = identity?.process else { return AuditActor(uid: user) }
            return AuditActor(waiting: process, uid: user, gid: identity?.rights?.gids[3] ?? .max)
        }
        let thread = thread(of: caller)
        let process = WriterProcess.process(of: thread)
        guard process > 0 else {
            return AuditActor(uid: caller.uid, gid: caller.gid, thread: thread > 0 ? thread : nil)
        }
        return AuditActor(waiting: process, uid: caller.uid, gid: caller.gid)
    }

    /// In the mount of a listed administrator, lets nobody on but that user; for the reason of `CallerGate.admit`.
    ///
    /// - Throws: `.denied`, which is recorded.
    func admit(_ caller: Caller) throws(Refusal) {
        guard let user else { return }
        guard isListed() else { throw .denied }
        let identity = identity(of: caller)
        guard identity?.rights?.areAll(of: user) != true else { return }
        var actor = AuditActor(
            uid: identity?.rights?.uids[3], gid: identity?.rights?.gids[3], pid: identity?.process)
        if identity == nil, caller.thread > 0 { actor.thread = caller.thread }
        store.recordDenial("the store, in an admin mount of uid \(user)", to: actor)
        throw .denied
    }

    private func identity(of caller: Caller) -> CallerIdentity? {
        let question = CallerQuestion(process: true, rights: true)
        return try? callers.identity(
            uid: caller.uid, gid: caller.gid, thread: thread(of: caller), question)
    }
}
