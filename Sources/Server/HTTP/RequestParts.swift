import Console
import HTTPTypes
import Hummingbird
import Logging
import Secrets
import Store

/// What every request uses.
struct RequestParts: Sendable {
    let service: APIService
    let authenticators: [any Authenticator]
    let work: StoreWork
    let bodies: RequestBodyReader
    let metrics: Metrics

    /// - Returns: nil if nobody vouches for who asks.
    func caller(_ fields: HTTPFields) throws -> Principal? {
        for authenticator in authenticators {
            if let principal = try authenticator.principal(fields) { return principal }
        }
        return nil
    }

    /// Records that somebody came without a valid key. Without any, it was no decision about anybody.
    func refuse(_ route: Route, _ mark: RequestMark, hasCredentials: Bool) async throws {
        guard hasCredentials else { return }
        metrics.keyRefused()
        let service = service
        let call = Call(
            caller: nil, captures: [], query: [:], body: nil, mark: mark,
            route: "\(route.method.rawValue) \(route.path): not a valid key")
        try await work.run(.changing) { service.denials.note(call, nil) }
    }

    /// For whoever runs the server: what the client is not told.
    func logFault(_ error: any Error, _ context: APIContext) {
        let failure = Failure(ours: error)
        context.logger.error(
            "a request failed",
            metadata: [
                "reason": "\(failure?.message ?? "\(type(of: error))")", "hint": "\(failure?.hint ?? "-")",
            ])
    }
}
