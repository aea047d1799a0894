/// Users who may do something, besides root and the agent's own. Ascending, each once.
package struct UserList: Hashable, Sendable {
    package static let maximumCount = 256
    package private(set) var uids: [UInt32]

    /// Without the largest number, which stands for none in the kernel.
    package init(_ uids: [UInt32] = []) { self.uids = Set(uids).filter { $0 != .max }.sorted() }

    package func contains(_ uid: UInt32) -> Bool { uids.contains(uid) }

    /// Adds some, then takes some away; what is there, or is not, stays so.
    package mutating func change(adding added: [UInt32], removing removed: [UInt32]) {
        self = UserList((uids + added).filter { !removed.contains($0) })
    }

    /// Default deny (R2).
    ///
    /// - Parameters:
    ///   - uid: who asks, as the kernel of this process's user namespace says.
    ///   - agent: who the agent is.
    ///   - stranger: the number that stands for every user whom that namespace has no number for; nil: it has all.
    package func allows(_ uid: UInt32, agent: UInt32, stranger: UInt32?) -> Bool {
        guard uid != .max, uid != stranger else { return false }
        return uid == 0 || uid == agent || contains(uid)
    }
}
