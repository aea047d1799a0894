import HTTPTypes
import Hummingbird

/// What the first line of a request says, decoded.
enum RequestText {
    /// What stands in the places of the names between braces.
    static func captures(of path: String, _ context: APIContext) throws(APIError) -> [String] {
        var captures: [String] = []
        for index in path.split(separator: "/").filter({ $0.hasPrefix("{") }).indices {
            guard let text = context.parameters.get("p\(index)").flatMap(PercentCoding.decoded) else {
                throw .noPath
            }
            captures.append(text)
        }
        return captures
    }

    /// - Throws: for what is not UTF-8, or a parameter that is there twice.
    static func query(_ query: String?) throws(APIError) -> [String: String] {
        var found: [String: String] = [:]
        for part in (query ?? "").split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let texts = pair.map { PercentCoding.decoded($0.replacing("+", with: " ")) }
            guard let name = texts[0], let value = texts.count > 1 ? texts[1] : "" else {
                throw .malformed("the query is not UTF-8")
            }
            guard found.updateValue(value, forKey: name) == nil else {
                throw .malformed("the query has a parameter twice")
            }
        }
        return found
    }
}
