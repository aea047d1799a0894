/// What a user may do. What no role says is denied (R2); what each lets is in `Permissions`.
package enum Role: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Everything.
    case admin
    /// Sees all there is to see and changes nothing.
    case viewer
    /// Everything of an owner: its algorithms, their secrets, the secrets that it shares and their grants among its
    /// own algorithms.
    case owner(OwnerName)
    /// The secrets of an algorithm.
    case collaborator(AlgorithmName)

    /// - Parameter text: `admin`, `viewer`, `owner:OWNER` or `collaborator:OWNER/NAME`.
    package init(_ text: String) throws(NameError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        switch (parts.first, parts.count) {
        case ("admin", 1): self = .admin
        case ("viewer", 1): self = .viewer
        case ("owner", 2): self = .owner(try OwnerName(String(parts[1])))
        case ("collaborator", 2): self = .collaborator(try AlgorithmName(String(parts[1])))
        default:
            throw NameError(.role, "it must be admin, viewer, owner:OWNER or collaborator:OWNER/NAME")
        }
    }

    package var description: String {
        switch self {
        case .admin: "admin"
        case .viewer: "viewer"
        case .owner(let owner): "owner:\(owner)"
        case .collaborator(let algorithm): "collaborator:\(algorithm)"
        }
    }
    package static func < (left: Self, right: Self) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
