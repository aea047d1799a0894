import HTTPTypes
import Secrets

/// One request of a browser, taken apart.
struct PageCall: Sendable {
    /// Who asks, and what for, as calls of the API have it.
    let call: Call
    /// Of who is signed in; nil where anybody may ask.
    let session: Sessions.Session?
    /// What the browser called the session, valid or not.
    let sessionID: String?
    let form: FormBody?
    /// The path and the query, as they were asked for.
    let target: String
    let fields: HTTPFields

    func principal() throws(APIError) -> Principal { try call.principal() }

    /// What the form of a page has to have.
    func filledForm() throws(APIError) -> FormBody {
        guard let form else { throw .malformed("the request has no form") }
        return form
    }
}

/// What a page answers.
struct PageAnswer: Sendable {
    var status: HTTPResponse.Status
    var fields: HTTPFields
    let body: [UInt8]

    init(_ status: HTTPResponse.Status, _ fields: HTTPFields = [:], _ body: [UInt8] = []) {
        self.status = status
        self.fields = fields
        self.body = body
    }

    /// To another page, which is asked for with GET: a form that was sent is not sent again with it.
    ///
    /// - Parameter path: of ours, with nothing in it that needs an escape.
    static func redirect(to path: String, cookie: String? = nil) -> PageAnswer {
        var fields: HTTPFields = [.location: path]
        if let cookie { fields[.setCookie] = cookie }
        return PageAnswer(.seeOther, fields)
    }
}

/// One page, or one form of one.
struct PageRoute: Sendable {
    enum Access: Sendable {
        case anybody
        /// Whoever is signed in; others are sent to sign in, and then back.
        case signedIn
    }

    let method: HTTPRequest.Method
    let path: String
    let access: Access
    /// Of the body, in bytes: what strangers send is small.
    let maximumBody: Int
    let handler: @Sendable (PageCall) async throws -> PageAnswer

    init(
        _ method: HTTPRequest.Method, _ path: String, _ access: Access = .signedIn, maximumBody: Int = 16_384,
        _ handler: @escaping @Sendable (PageCall) async throws -> PageAnswer
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.maximumBody = maximumBody
        self.handler = handler
    }
}
