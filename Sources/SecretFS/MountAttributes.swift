/// Who owns a mount's files and who may read them.
package struct MountAttributes: Hashable, Sendable {
    package let uid: UInt32
    package let gid: UInt32
    /// The permission bits of files: some of 0444.
    package let fileMode: UInt16
    /// The permission bits of the directory: who may read files may also list and enter.
    package var directoryMode: UInt16 { fileMode | (fileMode >> 2) }

    package static let defaultFileMode: UInt16 = 0o400

    /// - Returns: nil if `fileMode` has bits other than 0444: nothing in a mount is written or executed.
    package init?(uid: UInt32, gid: UInt32, fileMode: UInt16 = defaultFileMode) {
        guard fileMode & ~0o444 == 0, fileMode != 0 else { return nil }
        self.uid = uid
        self.gid = gid
        self.fileMode = fileMode
    }
}
