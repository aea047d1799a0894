/// One value of a JSON text: where it stands in it. Nothing is taken out of the text until it is asked for, and then
/// into the memory that fits it.
indirect enum JSONNode: Sendable {
    case object([JSONMember])
    case array([JSONNode])
    /// Without its quotes.
    case string(Range<Int>)
    /// As it is written.
    case number(Range<Int>)
    case bool(Bool)
    case null

    /// In words for the author of a request.
    var kind: String {
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

struct JSONMember: Sendable {
    let name: String
    let node: JSONNode
}

/// What is wrong with a JSON text. Never with what is in it: somebody may have written a value in the wrong place.
struct JSONError: Error, Equatable, Sendable {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}
