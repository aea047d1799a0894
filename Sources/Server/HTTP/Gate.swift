import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Around everything: every request gets an answer in the API's form, or as a page where a browser asks, a line in the
/// log and its place in the metrics.
struct Gate: HTTPResponder {
    let table: RouteTable
    let metrics: Metrics
    let errors: ErrorPages

    func respond(to request: Request, context: APIContext) async throws -> Response {
        let clock = ContinuousClock()
        let start = clock.now
        var response: Response
        do {
            response = try await table.router.respond(to: request, context: context)
            // The router's own answer, for what it has no route for.
            if isUnrouted(context) { response = nowhere(request, context) }
        } catch let error as APIError {
            response = refusal(error, context)
        } catch let error as HTTPError {
            response = refusal(APIError(error.status, error.status.reasonPhrase), context)
        } catch is CancellationError {
            response = refusal(
                APIError(.serviceUnavailable, "the server is stopping", retryAfter: 1), context)
        }
        response.headers[Self.requestID] = context.mark.id
        note(request, response, clock.now - start, context)
        return response
    }

    private func refusal(_ error: APIError, _ context: APIContext) -> Response {
        if error.status == .serviceUnavailable { metrics.overloaded() }
        var fields: HTTPFields = [.contentType: "application/json"]
        if let seconds = error.retryAfter { fields[.retryAfter] = String(seconds) }
        if error.status == .unauthorized { fields[.wwwAuthenticate] = "Bearer realm=\"secretfs\"" }
        if !error.allow.isEmpty { fields[.allow] = error.allow.map(\.rawValue).joined(separator: ", ") }
        let body = ByteBuffer(bytes: error.body(context.mark.id).bytes)
        return Response(status: error.status, headers: fields, body: .init(byteBuffer: body))
    }

    private func note(_ request: Request, _ response: Response, _ time: Duration, _ context: APIContext) {
        // The route, not the path: it names nothing.
        let route = isUnrouted(context) ? "none" : context.endpointPath ?? "none"
        let method = Self.methods.contains(request.method) ? request.method.rawValue : "other"
        let (seconds, attoseconds) = time.components
        let elapsed = Double(seconds) + Double(attoseconds) / 1e18
        metrics.answered(method, route, response.status.code, seconds: elapsed)
        context.logger.info(
            "answered",
            metadata: [
                "method": "\(method)", "route": "\(route)", "status": "\(response.status.code)",
                "milliseconds": "\(Double(Int(elapsed * 100_000)) / 100)",
            ])
    }

    /// The API's refusal, or a page.
    private func nowhere(_ request: Request, _ context: APIContext) -> Response {
        let error = unrouted(request, context)
        let wantsPage = request.headers[.accept].map { $0.contains("text/html") } ?? false
        guard wantsPage, !request.uri.path.hasPrefix("/v1/") else { return refusal(error, context) }
        return errors.page(error, context.mark, nil).response
    }

    private func unrouted(_ request: Request, _ context: APIContext) -> APIError {
        guard let (template, methods) = table.methods(at: request.uri.path) else { return .noPath }
        context.coreContext.endpointPath.value = template
        var error = APIError(.methodNotAllowed, "this path does not take this method")
        error.allow = methods
        return error
    }

    private func isUnrouted(_ context: APIContext) -> Bool {
        context.endpointPath == nil || context.endpointPath == "NotFound"
    }

    private static var methods: Set<HTTPRequest.Method> {
        [.get, .head, .post, .put, .delete, .patch, .options, .trace, .connect]
    }
    private static var requestID: HTTPField.Name {
        guard let name = HTTPField.Name("X-Request-Id") else { preconditionFailure("not a header's name") }
        return name
    }
}
