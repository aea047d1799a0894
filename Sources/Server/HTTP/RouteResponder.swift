import HTTPTypes
import Hummingbird
import NIOCore
import Secrets

/// Carries out one route: who asks, then the body, then the handler on a thread that may wait.
struct RouteResponder: HTTPResponder {
    let route: Route
    let parts: RequestParts

    func respond(to request: Request, context: APIContext) async throws -> Response {
        context.coreContext.endpointPath.value = route.path
        do {
            // Before the body is read: what strangers send is not kept.
            let caller = try await caller(request, context)
            let query = try query(request)
            let captures = try RequestText.captures(of: route.path, context)
            @Sendable func call(_ body: JSONObject?) -> Call {
                Call(
                    caller: caller, captures: captures, query: query, body: body, mark: context.mark,
                    route: "\(route.method.rawValue) \(route.path)")
            }
            guard route.takesBody else { return response(try await carryOut(call(nil))) }
            return try await parts.bodies.withBody(of: request) { body in
                response(try await carryOut(call(body)))
            }
        } catch let error as APIError {
            throw error
        } catch {
            let answer = APIError(error, fault: route.fault)
            if answer.status.code >= 500 { parts.logFault(error, context) }
            throw answer
        }
    }

    private func carryOut(_ call: Call) async throws -> Answer {
        let handler = route.handler
        return try await parts.work.run { try handler(call) }
    }

    private func caller(_ request: Request, _ context: APIContext) async throws -> Principal? {
        guard route.access == .known else { return nil }
        let fields = request.headers
        let authenticators = parts.authenticators
        let found = try await parts.work.run {
            for authenticator in authenticators {
                if let principal = try authenticator.principal(fields) { return principal as Principal? }
            }
            return nil
        }
        if let found { return found }
        try await parts.refuse(route, context.mark, hasCredentials: fields[.authorization] != nil)
        throw APIError.notAuthenticated
    }

    /// - Throws: for a parameter that is not known.
    private func query(_ request: Request) throws(APIError) -> [String: String] {
        let query = try RequestText.query(request.uri.query)
        guard query.keys.allSatisfy({ name in route.about.query.contains { $0.name == name } }) else {
            throw .malformed("the query has a parameter that is not known here")
        }
        return query
    }

    private func response(_ answer: Answer) -> Response {
        var fields = HTTPFields()
        if let type = answer.type { fields[.contentType] = type }
        guard answer.status != .noContent else { return Response(status: answer.status, headers: fields) }
        return Response(
            status: answer.status, headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: answer.body)))
    }
}
