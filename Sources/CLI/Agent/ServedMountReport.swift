import SecretFS
import Secrets

/// The JSON of `mounts`.
struct ServedMountReport: Codable {
    let mountPoint: String
    /// Nil for an admin mount, as the next two.
    let algorithm: String?
    let entries: Int?
    let generation: UInt64?
    let uid: UInt32
    let gid: UInt32
    let mode: String
    let isPrivate: Bool
    /// Of a listed user: `mountPoint` is what they say.
    let isListed: Bool
    /// Nothing is opened: what it is to show could not be read.
    let isWithheld: Bool
    let since: String
}

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

    /// Those after `skip` by mount point, as many as fit into one message: a path has up to 4,095 bytes, and JSON may
    /// write a byte as six.
    static func page(of mounts: [ServedMountReport], skip: Int) -> [ServedMountReport] {
        var room = AgentSocket.maximumMessage / 2
        let sorted = mounts.sorted { ($0.mountPoint, $0.since) < ($1.mountPoint, $1.since) }
        let fitting = sorted.dropFirst(max(0, skip)).prefix { mount in
            room -= 6 * mount.mountPoint.utf8.count + 600
            return room >= 0
        }
        return Array(fitting)
    }
}
