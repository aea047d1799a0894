import HTTPTypes
import Hummingbird
import NIOCore
import Secrets
import Store

/// Carries out one route of the pages: who is signed in, where the form came from, its token, then the handler. Whatever
/// goes wrong becomes a page.
struct PageResponder: HTTPResponder {
    let route: PageRoute
    let site: Site

    func respond(to request: Request, context: APIContext) async throws -> Response {
        context.coreContext.endpointPath.value = route.path
        let visit = Visit(request, context)
        do {
            return try await answer(request, context, visit).response
        } catch let error as FormError {
            let refusal = APIError(.badRequest, "the form is not one of ours: \(error.reason)")
            return site.errors.page(refusal, visit.mark, visit.principal).response
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            let refusal = APIError(error, fault: .editSecretFailed)
            if refusal.status.code >= 500 { site.parts.logFault(error, context) }
            return site.errors.page(refusal, visit.mark, visit.principal).response
        }
    }

    /// What is known of a request before and while it is answered.
    private final class Visit {
        let mark: RequestMark
        let sessionID: String?
        let target: String
        var principal: Principal?

        init(_ request: Request, _ context: APIContext) {
            mark = context.mark
            sessionID = SessionCookie.id(in: request.headers)
            target = request.uri.string
        }
    }

    private func answer(
        _ request: Request, _ context: APIContext, _ visit: Visit
    ) async throws -> PageAnswer {
        let isForm = route.method == .post
        if isForm, !RequestOrigin.isOwn(request.headers, host: request.head.authority) {
            try await refuse(visit, "not from a page of this server")
        }
        var session: Sessions.Session?
        if route.access == .signedIn {
            guard let found = try await site.signedIn(visit.sessionID) else { return toSignIn(visit) }
            (session, visit.principal) = (found.session, found.principal)
        }
        let captures = try RequestText.captures(of: route.path, context)
        let query = try RequestText.query(request.uri.query)
        let signedIn = session
        let caller = visit.principal
        let (sessionID, target) = (visit.sessionID, visit.target)
        @Sendable func call(_ form: FormBody?) -> PageCall {
            PageCall(
                call: Call(
                    caller: caller, captures: captures, query: query, body: nil, mark: context.mark,
                    route: name),
                session: signedIn, sessionID: sessionID, form: form, target: target, fields: request.headers)
        }
        guard isForm else { return try await route.handler(call(nil)) }
        return try await site.parts.bodies.withForm(of: request, atMost: route.maximumBody) { form in
            if let session, !Self.isRight(try form.string("form_token"), session) {
                try await refuse(visit, "without the token of its form")
            }
            return try await route.handler(call(form))
        }
    }

    private var name: String { "\(route.method.rawValue) \(route.path)" }

    /// Back to what was asked for, once somebody is signed in: a form's page has the form's own path.
    private func toSignIn(_ visit: Visit) -> PageAnswer {
        let back = visit.target == "/" ? [] : ["next=\(PercentCoding.encoded(visit.target))"]
        let ended = visit.sessionID == nil ? [] : ["ended=1"]
        let query = (back + ended).joined(separator: "&")
        let cookie = visit.sessionID == nil ? nil : SessionCookie.forget
        return .redirect(to: "/sign-in" + (query.isEmpty ? "" : "?\(query)"), cookie: cookie)
    }

    private func refuse(_ visit: Visit, _ why: String) async throws -> Never {
        let call = Call(
            caller: visit.principal, captures: [], query: [:], body: nil, mark: visit.mark,
            route: "\(name): \(why)")
        let service = site.parts.service
        try await site.parts.work.run(.changing) { service.deny(call, nil) }
        throw APIError(
            .forbidden, .notAuthorized, "the form was sent \(why); open its page again and send it from there"
        )
    }

    private static func isRight(_ token: String, _ session: Sessions.Session) -> Bool {
        unsafe isEqualInConstantTime(Array(token.utf8).span.bytes, Array(session.formToken.utf8).span.bytes)
    }
}

extension PageAnswer {
    var response: Response {
        Response(
            status: status, headers: PageHeaders.all.merging(fields),
            body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}

/// What every page has besides what every answer has.
enum PageHeaders {
    static let policy =
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; "
        + "frame-ancestors 'none'; base-uri 'none'"

    static let all: HTTPFields = [
        .contentType: "text/html; charset=utf-8", .contentSecurityPolicy: policy,
        // Not `no-referrer`: browsers would say of our own forms that they come from nowhere (`Origin: null`).
        referrerPolicy: "same-origin",
    ]

    private static var referrerPolicy: HTTPField.Name {
        guard let name = HTTPField.Name("Referrer-Policy") else { preconditionFailure("not a header's name") }
        return name
    }
}

extension HTTPFields {
    /// The same, with `others` in the place of what has their names.
    func merging(_ others: HTTPFields) -> HTTPFields {
        var fields = self
        for field in others { fields[field.name] = field.value }
        return fields
    }
}
