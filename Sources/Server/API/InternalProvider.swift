import FoundationEssentials
import Secrets
import Store

/// The provider that every store has: the store itself.
struct InternalProvider: Sendable {
    static let name = "algorithmia_internal_secret_provider"
    static let about = "Secrets that are sealed in this server's own store"
    static let module = "secretfs.internal"

    let id: UUID
    let created: Timestamp

    init(_ identity: PublicIdentity) throws {
        id = try identity.id(of: .internal)
        created = identity.created
    }

    func json(isDefault: Bool) -> JSON {
        [
            "id": .string(text(id)), "name": .string(Self.name),
            "description": .string(Self.about),
            "moduleName": .string(Self.module), "factoryClassName": "InternalSecretProvider",
            "interfaceVersion": "1.0", "isEnabled": true, "isDefault": isDefault ? true : false,
            "created": .string(created.description), "modified": .string(created.description),
        ]
    }
}

/// As ids are written everywhere.
func text(_ id: UUID) -> String { id.uuidString.lowercased() }
