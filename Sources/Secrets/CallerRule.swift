/// Who may open: a caller matches if it matches every kind that is given; within a kind, any of the list.
///
/// Rules are equal if their bytes are: `==` of `String` takes different file names for one.
package struct CallerRule: Hashable, Sendable {
    /// Of one kind, in one rule.
    package static let maximumItems = 64
    /// A path's length in bytes, as PATH_MAX without the NUL.
    package static let maximumPath = 4095

    package var uids: [UInt32]
    package var gids: [UInt32]
    package var executables: [Executable]
    /// Paths of cgroups, `/system.slice/nlp.service`; processes in groups below match too.
    package var cgroups: [String]

    /// A program file.
    package struct Executable: Hashable, Sendable {
        /// Absolute, as `/proc/PID/exe` has it.
        package let path: String
        /// Of the file's bytes, 32 bytes; nil: the file that this machine has under `path`, whatever is in it.
        package let sha256: [UInt8]?
        package init(path: String, sha256: [UInt8]?) {
            self.path = path
            self.sha256 = sha256
        }

        package static func == (left: Self, right: Self) -> Bool {
            left.path.utf8.elementsEqual(right.path.utf8) && left.sha256 == right.sha256
        }
        package func hash(into hasher: inout Hasher) {
            for byte in path.utf8 { hasher.combine(byte) }
            hasher.combine(sha256)
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

    package var isAnyone: Bool {
        uids.isEmpty && gids.isEmpty && executables.isEmpty && cgroups.isEmpty
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.uids == right.uids && left.gids == right.gids && left.executables == right.executables
            && left.cgroups.elementsEqual(right.cgroups) { $0.utf8.elementsEqual($1.utf8) }
    }
    package func hash(into hasher: inout Hasher) {
        hasher.combine(uids)
        hasher.combine(gids)
        hasher.combine(executables)
        for path in cgroups { for byte in path.utf8 { hasher.combine(byte) } }
    }
}

extension CallerRule {
    /// Whether more than user and group decides.
    package var needsProcess: Bool { !executables.isEmpty || !cgroups.isEmpty }

    /// Whether `caller` matches. What is not known of it matches nothing.
    package func allows(_ caller: CallerIdentity) -> Bool { kinds(refusing: caller).isEmpty }

    /// What a rule may ask for.
    package enum Kind: String, CaseIterable, Sendable {
        case uid, gid, executable, cgroup
    }

    /// The kinds that `caller` does not match; none if the rule lets it.
    package func kinds(refusing caller: CallerIdentity) -> [Kind] {
        var kinds = kindsOfUser(refusing: caller)
        if !executables.isEmpty, !executables.contains(where: { $0.matches(caller.executable) }) {
            kinds.append(.executable)
        }
        if !cgroups.isEmpty, !cgroups.contains(where: { Self.isCgroup(caller.cgroup?.bytes, in: $0) }) {
            kinds.append(.cgroup)
        }
        return kinds
    }

    /// Of user and group alone, which the kernel sends: before anything is looked up.
    package func kindsOfUser(refusing caller: CallerIdentity) -> [Kind] {
        var kinds: [Kind] = []
        // The kernel sends the largest number for an id that it cannot express.
        if caller.uid == .max || !uids.isEmpty && !uids.contains(caller.uid) { kinds.append(.uid) }
        if caller.gid == .max || !gids.isEmpty && !gids.contains(caller.gid) { kinds.append(.gid) }
        return kinds
    }

    /// Whether `path` is the group `prefix` or below it, by whole names: `/a` has `/a/b` in it and not `/ab`.
    static func isCgroup(_ path: [UInt8]?, in prefix: String) -> Bool {
        let slash = UInt8(ascii: "/")
        guard let path, path.first == slash else { return false }
        let names = path.split(separator: slash)
        // Above or beside everything that we see: no prefix of ours says anything about it.
        guard !names.contains(where: { $0.elementsEqual("..".utf8) }) else { return false }
        let wanted = Array(prefix.utf8).split(separator: slash)
        return names.count >= wanted.count && zip(names, wanted).allSatisfy { $0.elementsEqual($1) }
    }
}

extension CallerRule {
    /// `uid 1000`, `gid 27`, `executable /path` or `executable /path@sha256:HEX`, `cgroup /path`; none for anyone.
    package var items: [String] {
        uids.map { "uid \($0)" } + gids.map { "gid \($0)" }
            + executables.map { program in
                "executable \(program.path)"
                    + (program.sha256.map { "\(Executable.hashMark)\(hexadecimal($0))" } ?? "")
            }
            + cgroups.map { "cgroup \($0)" }
    }
}

extension CallerRule.Executable {
    package static let hashMark = "@sha256:"

    /// Whether `executable` is this program file: with a hash, by path and content; without, it must be the very file
    /// that this machine has under the path. In another mount namespace anything can be bound over it.
    func matches(_ executable: CallerIdentity.Executable?) -> Bool {
        guard let executable, executable.path.bytes.elementsEqual(path.utf8) else { return false }
        guard let sha256 else { return executable.isOurs }
        return executable.sha256 == sha256
    }
}
