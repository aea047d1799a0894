import FoundationEssentials
import JSONText
import Secrets

/// One request, taken apart: who asks, and what for.
struct Call: Sendable {
    /// Nil where anybody may ask.
    let caller: Principal?
    /// What stands in the path in the places of the names between braces.
    let captures: [String]
    let query: [String: String]
    private(set) var body: JSONObject?
    let mark: RequestMark
    let route: String

    func with(_ body: JSONObject) -> Call {
        var call = self
        call.body = body
        return call
    }

    /// Who asks, where the route asks for that.
    func principal() throws(APIError) -> Principal {
        guard let caller else { throw .notAuthenticated }
        return caller
    }

    func json() throws(APIError) -> JSONObject {
        guard let body else { throw .malformed("the request has no body") }
        return body
    }

    /// A UUID in the path.
    func id(_ index: Int) -> UUID? { Self.id(captures[index]) }

    static func id(_ text: String) -> UUID? { text.utf8.count == 36 ? UUID(uuidString: text) : nil }

    /// Who asks, for the audit log.
    var actor: AuditActor {
        var actor = caller?.auditActor ?? AuditActor()
        actor.address = mark.address
        actor.request = mark.id
        return actor
    }
}

/// Names a request in logs and in answers.
struct RequestMark: Sendable {
    /// 16 hexadecimal digits, drawn.
    let id: String
    /// Of the client, as the connection has it.
    let address: String?

    init(address: String?) {
        let text = String(UInt64.random(in: 0...(.max)), radix: 16)
        id = String(repeating: "0", count: 16 - text.utf8.count) + text
        self.address = address
    }
}
