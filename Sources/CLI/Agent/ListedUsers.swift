import Console
import Dispatch
import FoundationEssentials
import Fuse
import Glibc
import Secrets

/// Thrown where an answer must not tell whether the thing exists.
struct NotListed: Error {}

/// What holds for users whom a list lets ask the agent for mounts.
enum ListedUsers {
    /// The number that this user namespace shows for every user whom it has no number for; nil: it has one for all.
    /// Somebody who lists it means one account, and would list all those users.
    private static let stranger: UInt32? = {
        let map = try? String(contentsOfFile: "/proc/self/uid_map", encoding: .utf8)
        let fields = map?.split(whereSeparator: \.isWhitespace).map(String.init)
        if fields == ["0", "0", "4294967295"] { return nil }
        let number = try? String(contentsOfFile: "/proc/sys/kernel/overflowuid", encoding: .utf8)
        return number.flatMap { UInt32($0.filter(\.isNumber)) } ?? 65534
    }()

    static func allow(_ uid: UInt32, _ list: UserList) -> Bool {
        list.allows(uid, agent: geteuid(), stranger: stranger)
    }

    /// Takes dead mounts of listed users out of sight where this process sees them and may. Returns at once.
    ///
    /// Where they are is what their users said. So only what the kernel says that the same user mounted is touched, and
    /// never on a thread that is needed: on the way there may be a file system of that user's, which need not answer.
    @discardableResult
    static func detach(_ mounts: [(uid: UInt32, point: String)]) -> DispatchGroup {
        let group = DispatchGroup()
        guard !mounts.isEmpty, let visible = try? MountTable.current().ours else { return group }
        for mount in mounts {
            let entry = visible.last { $0.point == mount.point && $0.user == mount.uid }
            guard let entry else { continue }
            group.enter()
            let thread = try? Thread(named: "detach") {
                try? Mounting.detach(entry)
                group.leave()
            }
            if let thread { thread.detach() } else { group.leave() }
        }
        return group
    }
}
