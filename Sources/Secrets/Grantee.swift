/// Whom a secret of an owner is granted to.
package enum Grantee: Hashable, Comparable, Sendable, CustomStringConvertible {
    case algorithm(AlgorithmName)
    /// Every algorithm of the owner, `OWNER/*`; those that are made later too.
    case all(OwnerName)

    /// - Parameter text: `OWNER/NAME` or `OWNER/*`.
    package init(_ text: String) throws(NameError) {
        if text.hasSuffix("/*") {
            self = .all(try OwnerName(String(text.dropLast(2))))
        } else {
            self = .algorithm(try AlgorithmName(text))
        }
    }

    package var description: String {
        switch self {
        case .algorithm(let name): name.description
        case .all(let owner): "\(owner)/*"
        }
    }
    package static func < (left: Self, right: Self) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
