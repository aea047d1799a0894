import Console
import SecretFS
import Secrets

extension ServedMountReport {
    init(_ mount: ServedMounts.Mount) {
        self.init(
            mountPoint: mount.request.mountPoint, algorithm: mount.algorithm.description,
            entries: mount.tree.entryCount, generation: mount.tree.generation, uid: mount.request.uid,
            gid: mount.request.gid, mode: "0" + String(mount.request.fileMode, radix: 8),
            isPrivate: mount.request.isPrivate, isListed: mount.user != nil,
            isWithheld: mount.tree.isWithheld, since: mount.since.description)
    }

    init(_ mount: AdminMounts.Mount) {
        self.init(
            mountPoint: mount.request.mountPoint, algorithm: nil, entries: nil, generation: nil,
            uid: mount.request.uid, gid: mount.request.gid, mode: "0700", isPrivate: false,
            isListed: mount.user != nil, isWithheld: false, since: mount.since.description)
    }
}
