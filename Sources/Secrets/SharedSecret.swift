/// Names a secret of an owner.
package struct SharedSecret: Hashable, Comparable, Sendable {
    package let owner: OwnerName
    package let name: EnvironmentName
    package init(owner: OwnerName, name: EnvironmentName) {
        self.owner = owner
        self.name = name
    }
    package static func < (left: Self, right: Self) -> Bool {
        (left.owner, left.name) < (right.owner, right.name)
    }
}
