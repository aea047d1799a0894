import Console
import Fuse
import Glibc
import SecretFS
import Secrets

/// Who is at the other end of the public socket.
struct PublicPeer {
    /// As the kernel says it was when it connected.
    let uid: UInt32
    let gid: UInt32
    let actor: AuditActor

    /// - Throws: for a process that the agent cannot tell by /proc, whoever it is of. Says nothing about lists.
    init(_ connection: OwnedDescriptor, _ peer: Peer, _ callers: ProcessResolver) throws(Failure) {
        let process = DescriptorPassing.peerProcess(of: connection.raw)
        defer { if let process { close(process) } }
        let identity = try Self.identity(of: peer, callers)
        // While the process runs its number is its own: what was read is of the process that connected. Where the kernel
        // has no such descriptor (before Linux 6.5), the user below is all the same that of the connection.
        if let process, !DescriptorPassing.isRunning(process) {
            throw Failure(.retry, "the process that asked has ended")
        }
        guard let rights = identity.rights, rights.areAll(of: peer.uid) else {
            throw Failure(
                .denied, "the process that asks has the rights of several users",
                hint: "ask as one user, not through a set-uid program")
        }
        // Its mounts would name callers by numbers that mean nothing here.
        guard rights.depth == 1 else {
            throw Failure(
                .denied, "the process that asks is in another process namespace than the agent",
                hint: "mount outside of the container, and bind the mount into it")
        }
        uid = peer.uid
        gid = peer.gid
        var actor = AuditActor(uid: peer.uid, gid: peer.gid, pid: identity.process)
        actor.executable = identity.executable?.path.text
        actor.cgroup = identity.cgroup?.text
        self.actor = actor
    }

    private static func identity(
        of peer: Peer, _ callers: ProcessResolver
    ) throws(Failure) -> CallerIdentity {
        var question = CallerQuestion(process: true, executable: true, cgroup: true, rights: true)
        do throws(CallerUnknown) {
            return try callers.identity(uid: peer.uid, gid: peer.gid, thread: peer.process, question)
        } catch {
            // An agent without privileges may not look at another user's program; the rest is enough.
            question.executable = false
        }
        do throws(CallerUnknown) {
            return try callers.identity(uid: peer.uid, gid: peer.gid, thread: peer.process, question)
        } catch {
            throw Failure(
                .denied, "the agent cannot tell which process asks: \(error.reason)",
                hint: "it needs a /proc that shows the processes of others")
        }
    }
}
