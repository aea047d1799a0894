/// One value of a JSON text: where it stands in it. Nothing is taken out of the text until it is asked for, and then
/// into the memory that fits it.
package indirect enum JSONNode: Sendable {
    case object([JSONMember])
    case array([JSONNode])
    /// Without its quotes.
    case string(Range<Int>)
    /// As it is written.
    case number(Range<Int>)
    case bool(Bool)
    case null

    /// In words for the author of a request.
    package var kind: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .bool: "true or false"
        case .null: "null"
        }
    }
}

package struct JSONMember: Sendable {
    package let name: String
    package let node: JSONNode
}

/// What is wrong with a JSON text. Never with what is in it: somebody may have written a value in the wrong place.
package struct JSONError: Error, Equatable, Sendable {
    package let reason: String
    package init(_ reason: String) { self.reason = reason }
}
