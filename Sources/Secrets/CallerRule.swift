/// Who may open: a caller matches if it matches every kind that is given; within a kind, any of the list.
package struct CallerRule: Hashable, Sendable {
    package var uids: [UInt32]
    package var gids: [UInt32]
    package var executables: [Executable]
    /// Paths of cgroups, `/system.slice/nlp.service`; processes in groups below match too.
    package var cgroups: [String]

    /// A program file.
    package struct Executable: Hashable, Sendable {
        /// Absolute, as `/proc/PID/exe` has it.
        package let path: String
        /// Of the file's bytes, 32 bytes; nil: any.
        package let sha256: [UInt8]?
        package init(path: String, sha256: [UInt8]?) {
            self.path = path
            self.sha256 = sha256
        }
    }

    /// Everybody who may enter the mount.
    package static let anyone = CallerRule()

    package init(
        uids: [UInt32] = [], gids: [UInt32] = [], executables: [Executable] = [], cgroups: [String] = []
    ) {
        self.uids = uids
        self.gids = gids
        self.executables = executables
        self.cgroups = cgroups
    }

    package var isAnyone: Bool { self == .anyone }
}
