/// Whom a secret belongs to.
package enum SecretHome: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// One algorithm, which sees it.
    case algorithm(AlgorithmName)
    /// An owner; the algorithms that hold a grant see it.
    case owner(OwnerName)

    /// - Parameter text: `OWNER/NAME` or `OWNER`.
    package init(_ text: String) throws(NameError) {
        if text.utf8.contains(UInt8(ascii: "/")) {
            self = .algorithm(try AlgorithmName(text))
        } else {
            self = .owner(try OwnerName(text))
        }
    }

    package var description: String {
        switch self {
        case .algorithm(let name): name.description
        case .owner(let owner): owner.text
        }
    }
    package static func < (left: Self, right: Self) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
