import HTTPTypes
import JSONText
import Secrets
import Store

/// Where values live. This server has one provider: its own store.
struct ProviderCalls: Sendable {
    let service: APIService

    /// For whoever makes a secret: a bare array, the default first.
    func list(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayListProviders, call)
        return .json([service.provider.json])
    }

    func listAll(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.maySeeProviders, call)
        return .json([service.provider.json])
    }

    func show(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.maySeeProviders, call)
        try check(call)
        return .json(service.provider.json)
    }

    func create(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayManageProviders, call)
        let body = try call.json()
        try body.allowOnly([
            "name", "description", "moduleName", "factoryClassName", "interfaceVersion", "isEnabled",
            "isDefault",
            "configuration",
        ])
        _ = try body.requiredString("name")
        throw APIError(
            .badRequest, .secretProviderFailed,
            "this server keeps secrets in its own store, and has no module for another provider")
    }

    func update(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayManageProviders, call)
        try check(call)
        throw APIError(
            .badRequest, .cannotModifyInternalSecretProvider, "the internal secret provider cannot be changed"
        )
    }

    func delete(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayManageProviders, call)
        try check(call)
        throw APIError(
            .badRequest, .unableToDeleteDefaultSecretProvider, "the default secret provider cannot be deleted"
        )
    }

    /// It is the default already.
    func makeDefault(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayManageProviders, call)
        try check(call)
        return .nothing
    }

    private func check(_ call: Call) throws {
        guard call.id(0) == service.provider.id else {
            throw APIError(.notFound, .secretProviderNotFound, "there is no secret provider of this id")
        }
    }
}
