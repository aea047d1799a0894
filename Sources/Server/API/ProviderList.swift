import FoundationEssentials
import HTTPTypes
import Secrets
import Store

/// The providers of a store as the API tells of them.
struct ProviderList: Sendable {
    let store: SecretStore
    let `internal`: InternalProvider

    static func module(of kind: ProviderKind) -> String { "secretfs.\(kind.rawValue)" }
    static func kind(ofModule text: String) -> ProviderKind? {
        ProviderKind.allCases.first { module(of: $0) == text || $0.rawValue == text }
    }

    /// The default first.
    func all() throws -> [JSON] {
        let first = try store.defaultProvider()
        let external = try store.providers()
        let rows =
            [(ProviderName.internal, self.internal.json(isDefault: first == .internal))]
            + external.map { ($0.name, json($0, isDefault: $0.name == first)) }
        return rows.filter { $0.0 == first }.map(\.1) + rows.filter { $0.0 != first }.map(\.1)
    }

    struct Choice {
        let name: ProviderName
        let id: UUID
        let isDefault: Bool
    }

    /// The default first.
    func choices() throws -> [Choice] {
        let first = try store.defaultProvider()
        let all =
            [Choice(name: .internal, id: self.internal.id, isDefault: first == .internal)]
            + (try store.providers()).map { Choice(name: $0.name, id: $0.id, isDefault: $0.name == first) }
        return all.filter(\.isDefault) + all.filter { !$0.isDefault }
    }

    func json(of name: ProviderName) throws -> JSON {
        let isDefault = try store.defaultProvider() == name
        guard name != .internal else { return self.internal.json(isDefault: isDefault) }
        return json(try store.provider(name), isDefault: isDefault)
    }

    private func json(_ provider: ExternalProvider, isDefault: Bool) -> JSON {
        [
            "id": .string(text(provider.id)), "name": .string(provider.name.text),
            "description": .string(provider.about.text),
            "moduleName": .string(Self.module(of: provider.kind)),
            "factoryClassName": "ExternalSecretProvider", "interfaceVersion": "1.0", "isEnabled": true,
            "isDefault": isDefault ? true : false, "created": .string(provider.created.description),
            "modified": .string(provider.modified.description),
            "settings": .array(provider.settings.map { .string($0) }),
            "interval": .number(Int(provider.interval)), "maximum_age": .number(Int(provider.maximumAge)),
        ]
    }

    /// - Throws: 8006.
    func name(of id: UUID?) throws -> ProviderName {
        guard let name = try find(id) else {
            throw APIError(.notFound, .secretProviderNotFound, "there is no secret provider of this id")
        }
        return name
    }

    /// Nil if there is none.
    func find(_ id: UUID?) throws -> ProviderName? {
        guard let id else { return nil }
        if id == self.internal.id { return .internal }
        return try store.providers().first { $0.id == id }?.name
    }

    func id(of name: ProviderName) throws -> UUID {
        name == .internal ? self.internal.id : try store.provider(name).id
    }
}
