import Console
import Fuse
import SecretFS
import Secrets
import Store

/// Which mounts an agent serves, and of which algorithms.
struct ServedMountTable {
    var mounts: [Session.ID: ServedMounts.Mount] = [:]
    var byAlgorithm: [AlgorithmName: Set<Session.ID>] = [:]
    var isClosed = false

    /// The algorithms that are mounted and may show something else.
    func affected(_ affected: AffectedMounts) -> Set<AlgorithmName> {
        let mounted = Set(byAlgorithm.keys)
        guard case .some(let parts) = affected else { return mounted }
        var names: Set<AlgorithmName> = []
        for part in parts {
            switch part {
            case .algorithm(let name): names.insert(name)
            case .owner(let owner): names.formUnion(mounted.filter { $0.owner == owner.text })
            case .shared(let secret): names.formUnion(dependents(of: secret))
            }
        }
        return names.intersection(mounted)
    }

    func checkRoom(for user: UInt32) throws(Failure) {
        let hint = "unmount some: secretfs mounts lists them"
        guard mounts.values.count(where: { $0.user == user }) < ServedMounts.maximumOfUser else {
            throw Failure(
                .system, "user \(user) has \(ServedMounts.maximumOfUser) mounts, and may have no more",
                hint: hint)
        }
        guard mounts.values.count(where: { $0.user != nil }) < ServedMounts.maximumOfUsers else {
            throw Failure(
                .system, "this agent serves \(ServedMounts.maximumOfUsers) mounts of users and no more")
        }
    }

    private func dependents(of secret: SharedSecret) -> [AlgorithmName] {
        byAlgorithm.compactMap { name, sessions in
            let tree = sessions.first.flatMap { mounts[$0]?.tree }
            return tree?.dependsOn(secret) ?? false ? name : nil
        }
    }
}
