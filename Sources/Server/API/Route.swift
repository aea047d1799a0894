import HTTPTypes

/// One call of the API: what is done, and what is said of it in the OpenAPI document. The router and the document are
/// made from the same routes.
struct Route: Sendable {
    /// Who may call it. What they may do is for the handler to ask (`Permissions`).
    enum Access: Sendable {
        case anybody
        /// Whoever has shown who they are.
        case known
    }

    let method: HTTPRequest.Method
    /// `/v1/algorithms/{owner}/{name}`.
    let path: String
    let access: Access
    let about: RouteText
    /// What a fault of the server is called here.
    let fault: APIError.Code
    /// On a thread that may wait.
    let handler: @Sendable (Call) throws -> Answer

    init(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access = .known, _ about: RouteText,
        fault: APIError.Code = .secretProviderFailed, _ handler: @escaping @Sendable (Call) throws -> Answer
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.about = about
        self.fault = fault
        self.handler = handler
    }

    var takesBody: Bool { about.body != nil }

    /// The names between braces in the path, in order.
    var captures: [String] {
        path.split(separator: "/").filter { $0.hasPrefix("{") }.map { String($0.dropFirst().dropLast()) }
    }
}

/// What the OpenAPI document says of a call.
struct RouteText: Sendable {
    /// Query parameters, with their schemas.
    struct Query: Sendable {
        let name: String
        let about: String
        let schema: JSON
    }

    let operation: String
    let tag: String
    let summary: String
    var query: [Query] = []
    /// Names of schemas in the document.
    var body: String?
    var answer: JSON?
    var status: HTTPResponse.Status = .ok
    /// Of the answer.
    var type = "application/json"
    /// Which refusals there are, besides those that every call has.
    var refusals: [HTTPResponse.Status] = []
}

/// What a handler answers.
struct Answer: Sendable {
    let status: HTTPResponse.Status
    let type: String?
    let body: [UInt8]

    init(_ status: HTTPResponse.Status, type: String?, _ body: [UInt8]) {
        self.status = status
        self.type = type
        self.body = body
    }

    static func json(_ json: JSON, _ status: HTTPResponse.Status = .ok) -> Answer {
        Answer(status, type: "application/json", json.bytes)
    }
    static var nothing: Answer { Answer(.noContent, type: nil, []) }
}
