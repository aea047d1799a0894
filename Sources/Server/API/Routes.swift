import HTTPTypes
import Secrets
import Store

/// The calls of the API: those of the contract, and what is added to them (docs/API.md).
extension APIService {
    func routes(_ audit: AuditReader) -> [Route] {
        algorithmRoutes + algorithmSecretRoutes + ownerSecretRoutes + grantRoutes + providerRoutes
            + auditRoutes(audit)
    }

    private var algorithmRoutes: [Route] {
        let calls = AlgorithmCalls(service: self)
        return [
            Route(
                .get, "/v1/algorithms", .known,
                .init(
                    operation: "listAlgorithms", tag: "algorithms",
                    summary: "The algorithms that the key's user may see.",
                    answer: Schemas.list(of: "Algorithm")),
                calls.list),
            Route(
                .get, "/v1/algorithms/{owner}/{name}", .known,
                .init(
                    operation: "getAlgorithm", tag: "algorithms", summary: "An algorithm, and its id.",
                    answer: Schemas.reference("Algorithm"), refusals: [.notFound]), calls.show),
            Route(
                .post, "/v1/algorithms/{owner}", .known,
                .init(
                    operation: "createAlgorithm", tag: "algorithms",
                    summary: "Make an algorithm, to which secrets can then be given.", body: "NewAlgorithm",
                    answer: Schemas.reference("Algorithm"), refusals: [.notFound]), calls.create),
            Route(
                .delete, "/v1/algorithms/{owner}/{name}", .known,
                .init(
                    operation: "deleteAlgorithm", tag: "algorithms",
                    summary: "Delete an algorithm, its secrets and all their versions.", status: .noContent,
                    refusals: [.notFound]), calls.delete),
        ]
    }

    private var algorithmSecretRoutes: [Route] {
        let calls = SecretCalls(service: self) { [self] call in try algorithmPlace(call) }
        return secretRoutes(calls, "/v1/algorithms/{algorithmId}/secrets", "AlgorithmSecret")
    }

    /// Secrets that an owner shares: seen by the algorithms that they are granted to.
    private var ownerSecretRoutes: [Route] {
        let calls = SecretCalls(service: self) { [self] call in try ownerPlace(call) }
        return secretRoutes(calls, "/v1/owners/{owner}/secrets", "OwnerSecret")
    }

    private func secretRoutes(_ calls: SecretCalls, _ path: String, _ what: String) -> [Route] {
        let one = path + "/{secretId}"
        func text(
            _ operation: String, _ summary: String, body: String? = nil,
            answer: JSON? = Schemas.reference("Secret"),
            status: HTTPResponse.Status = .ok
        ) -> RouteText {
            RouteText(
                operation: operation, tag: "secrets", summary: summary, body: body, answer: answer,
                status: status,
                refusals: [.notFound])
        }
        let list = Schemas.secretList
        return [
            Route(
                .get, path, .known, text("list\(what)s", "Its secrets, without values.", answer: list),
                calls.list),
            Route(
                .post, path, .known, text("create\(what)", "Make a secret.", body: "New\(what)"), calls.create
            ),
            Route(.get, one, .known, text("get\(what)", "A secret, without its value."), calls.show),
            Route(
                .put, one, .known,
                text(
                    "update\(what)", "Replace the value, or change what people call it.",
                    body: "\(what)Update"),
                fault: .editSecretFailed, calls.update),
            Route(
                .delete, one, .known,
                text(
                    "delete\(what)", "Delete a secret and all its versions.", answer: nil, status: .noContent),
                fault: .unableToDeleteSecret, calls.delete),
            Route(
                .get, one + "/versions", .known,
                text(
                    "list\(what)Versions", "The versions that are kept, the newest first.",
                    answer: Schemas.list(of: "Version")), calls.history),
            Route(
                .post, one + "/rollback", .known,
                text(
                    "rollBack\(what)", "Make the value of a kept version the newest version.",
                    body: "Rollback"),
                fault: .editSecretFailed, calls.rollBack),
        ]
    }

    private var grantRoutes: [Route] {
        let calls = GrantCalls(service: self)
        let path = "/v1/owners/{owner}/secrets/{secretId}/grants"
        let answer = Schemas.reference("Grants")
        return [
            Route(
                .get, path, .known,
                .init(
                    operation: "getGrants", tag: "grants",
                    summary: "The algorithms that see an owner's secret.",
                    answer: answer, refusals: [.notFound]), calls.show),
            Route(
                .put, path, .known,
                .init(
                    operation: "replaceGrants", tag: "grants",
                    summary: "Grant an owner's secret to these algorithms and no others.", body: "Grants",
                    answer: answer, refusals: [.notFound]), fault: .editSecretFailed, calls.replace),
        ]
    }

    private var providerRoutes: [Route] {
        let calls = ProviderCalls(service: self)
        let admin = "/v1/admin/secret-provider"
        let provider = Schemas.reference("Provider")
        func text(
            _ operation: String, _ summary: String, body: String? = nil, answer: JSON? = nil,
            status: HTTPResponse.Status = .ok, isOne: Bool = true
        ) -> RouteText {
            RouteText(
                operation: operation, tag: "providers", summary: summary, body: body, answer: answer,
                status: status,
                refusals: isOne ? [.notFound] : [])
        }
        let all = Schemas.array(of: "Provider")
        return [
            Route(
                .get, "/v1/secret-provider", .known,
                text("listProviders", "Where values can live; the default first.", answer: all, isOne: false),
                calls.list),
            Route(
                .get, admin, .known, text("listAllProviders", "All providers.", answer: all, isOne: false),
                calls.listAll),
            Route(
                .post, admin, .known,
                text(
                    "createProvider", "Connect an external secret store.",
                    body: "NewProvider", answer: provider, isOne: false), calls.create),
            Route(
                .get, admin + "/{providerId}", .known, text("getProvider", "A provider.", answer: provider),
                calls.show),
            Route(
                .post, admin + "/{providerId}", .known,
                text(
                    "updateProvider", "Change how one is reached. The internal provider cannot be changed.",
                    body: "ProviderUpdate", answer: provider), calls.update),
            Route(
                .delete, admin + "/{providerId}", .known,
                text(
                    "deleteProvider", "Forget one that no secret refers to; not the default.",
                    status: .noContent), calls.delete),
            Route(
                .post, admin + "/{providerId}/test", .known,
                text(
                    "testProvider", "Log in to a provider, and read what a reference names.",
                    body: "ProviderTest", answer: Schemas.providerTest), calls.test),
            Route(
                .post, "/v1/admin/plugins/secret-provider/{providerId}/default", .known,
                text("setDefaultProvider", "Make a provider the default.", status: .noContent),
                fault: .unableToSetDefaultSecretProvider, calls.makeDefault),
        ]
    }

    private func auditRoutes(_ reader: AuditReader) -> [Route] {
        let calls = AuditCalls(service: self, reader: reader)
        return [
            Route(
                .get, "/v1/audit", .known,
                .init(
                    operation: "listAudit", tag: "audit",
                    summary: "Who opened and changed what, the newest first; not verified.",
                    query: Schemas.auditQuery, answer: Schemas.auditList), calls.list)
        ]
    }
}
