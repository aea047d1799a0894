import HTTPTypes
import Secrets
import Store

/// What is asked by what runs the server: balancers, Prometheus, clients that read the document.
struct OperationRoutes: Sendable {
    let service: APIService
    let work: StoreWork
    let connections: ConnectionCounters

    func all(_ document: [UInt8]) -> [Route] {
        [
            Route(
                .get, "/healthz", .anybody,
                .init(
                    operation: "isAlive", tag: "operation", summary: "Whether the server answers.",
                    answer: Schemas.reference("Health"))
            ) { _ in .json(["status": "ok"]) },
            Route(
                .get, "/readyz", .anybody,
                .init(
                    operation: "isReady", tag: "operation",
                    summary: "Whether the store is open and can be read; 503 if not.",
                    answer: Schemas.reference("Health"), refusals: [.serviceUnavailable]), ready),
            Route(
                .get, "/metrics", .known,
                .init(
                    operation: "getMetrics", tag: "operation",
                    summary: "Counters for Prometheus; for administrators and viewers.",
                    answer: ["type": "string"],
                    type: "text/plain; version=0.0.4"), metrics),
            Route(
                .get, "/openapi.json", .anybody,
                .init(
                    operation: "getDocument", tag: "operation", summary: "This document.",
                    answer: ["type": "object"])
            ) { _ in Answer(.ok, type: "application/json", document) },
        ]
    }

    private func ready(_ call: Call) throws -> Answer {
        guard isReady else {
            throw APIError(
                .serviceUnavailable, .secretProviderFailed, "the store is sealed or cannot be read",
                retryAfter: 5)
        }
        return .json(["status": "ready"])
    }

    private var isReady: Bool {
        let store = service.store
        // A keyring that was rotated since the last request is taken now.
        guard !store.isSealed, (try? store.renewKeys()) != nil else { return false }
        return (try? store.hasNewestKeys()) == true
    }

    private func metrics(_ call: Call) throws -> Answer {
        // How much is asked for is for those who see everything.
        try service.require(try call.principal().permissions.maySeeProviders, call)
        let text = service.metrics.text(
            .init(
                connections: connections.count, cutOff: connections.cutOffCount,
                refused: connections.refusedCount, waiting: work.count,
                isReady: isReady))
        return Answer(.ok, type: "text/plain; version=0.0.4", Array(text.utf8))
    }
}
