/// The JSON of `mounts`.
package struct ServedMountReport: Codable {
    package let mountPoint: String
    /// Nil for an admin mount, as the next two.
    package let algorithm: String?
    package let entries: Int?
    package let generation: UInt64?
    package let uid: UInt32
    package let gid: UInt32
    package let mode: String
    package let isPrivate: Bool
    /// Of a listed user: `mountPoint` is what they say.
    package let isListed: Bool
    /// Nothing is opened: what it is to show could not be read.
    package let isWithheld: Bool
    package let since: String

    package init(
        mountPoint: String, algorithm: String?, entries: Int?, generation: UInt64?, uid: UInt32, gid: UInt32,
        mode: String, isPrivate: Bool, isListed: Bool, isWithheld: Bool, since: String
    ) {
        self.mountPoint = mountPoint
        self.algorithm = algorithm
        self.entries = entries
        self.generation = generation
        self.uid = uid
        self.gid = gid
        self.mode = mode
        self.isPrivate = isPrivate
        self.isListed = isListed
        self.isWithheld = isWithheld
        self.since = since
    }
}

extension ServedMountReport {
    /// Those after `skip` by mount point, as many as fit into one message: a path has up to 4,095 bytes, and JSON may
    /// write a byte as six.
    package static func page(of mounts: [ServedMountReport], skip: Int) -> [ServedMountReport] {
        var room = AgentSocket.maximumMessage / 2
        let sorted = mounts.sorted { ($0.mountPoint, $0.since) < ($1.mountPoint, $1.since) }
        let fitting = sorted.dropFirst(max(0, skip)).prefix { mount in
            room -= 6 * mount.mountPoint.utf8.count + 600
            return room >= 0
        }
        return Array(fitting)
    }
}
