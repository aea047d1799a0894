import HTTPTypes
import Hummingbird
import NIOCore
import Secrets
import Store

/// Carries out one route: who asks, then the body, then the handler on a thread that may wait.
struct RouteResponder: HTTPResponder {
    let route: Route
    let parts: RequestParts

    func respond(to request: Request, context: APIContext) async throws -> Response {
        context.coreContext.endpointPath.value = route.path
        do {
            guard route.takesBody else { return response(try await carryOut(request, context)) }
            // Before the body is read: what strangers send is not kept.
            let call = try call(try await caller(request, context), request, context)
            let handler = route.handler
            return try await parts.bodies.withBody(of: request) { body in
                let whole = call.with(body)
                return response(try await parts.work.run(.changing) { try handler(whole) })
            }
        } catch let error as APIError {
            throw error
        } catch {
            let answer = APIError(error, fault: route.fault)
            if answer.status.code >= 500 { parts.logFault(error, context) }
            throw answer
        }
    }

    /// Without a body there is nothing to wait for between who asks and what for: one thread does both.
    private func carryOut(_ request: Request, _ context: APIContext) async throws -> Answer {
        let kind: StoreWork.Kind = route.method == .get ? .reading : .changing
        let answer = try await parts.work.run(kind) { () -> Answer? in
            guard kind == .reading, route.access == .known else { return try self.answer(request, context) }
            // Who asks and what there is, as of one moment.
            return try parts.service.store.atOneMoment { try self.answer(request, context) }
        }
        if let answer { return answer }
        throw try await refusal(request.headers, context)
    }

    /// - Returns: nil if nobody vouches for who asks.
    private func answer(_ request: Request, _ context: APIContext) throws -> Answer? {
        let caller = route.access == .known ? try parts.caller(request.headers) : nil
        guard caller != nil || route.access != .known else { return nil }
        return try route.handler(try call(caller, request, context))
    }

    private func call(
        _ caller: Principal?, _ request: Request, _ context: APIContext
    ) throws(APIError) -> Call {
        Call(
            caller: caller, captures: try RequestText.captures(of: route.path, context),
            query: try query(request), body: nil,
            mark: context.mark, route: "\(route.method.rawValue) \(route.path)")
    }

    private func caller(_ request: Request, _ context: APIContext) async throws -> Principal? {
        guard route.access == .known else { return nil }
        let fields = request.headers
        let found = try await parts.work.run(.reading) { [parts] in try parts.caller(fields) }
        if let found { return found }
        throw try await refusal(fields, context)
    }

    private func refusal(_ fields: HTTPFields, _ context: APIContext) async throws -> APIError {
        try await parts.refuse(route, context.mark, hasCredentials: fields[.authorization] != nil)
        return .notAuthenticated
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
