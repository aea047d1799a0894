import Console
import FoundationEssentials
import Secrets
import Store

/// The JSON of `user list` and `user show` (docs/CLI.md).
struct UserReport: Encodable {
    let name: String
    let id: String
    let roles: [String]
    let disabled: Bool
    /// Whether there is one.
    let password: Bool
    let created: String
    let modified: String
    var apiKeys: [APIKeyReport]?

    init(_ user: User, _ keys: [APIKey]? = nil) {
        name = user.name.text
        id = user.id.uuidString.lowercased()
        roles = user.roles.map(\.description)
        disabled = user.isDisabled
        password = user.hasPassword
        created = user.created.description
        modified = user.modified.description
        apiKeys = keys?.map(APIKeyReport.init)
    }
}

/// The JSON of `api-key list`. Never the key.
struct APIKeyReport: Encodable {
    let id: String
    let user: String
    let label: String
    let readOnly: Bool
    let created: String
    let expires: String?
    let expired: Bool

    init(_ key: APIKey) {
        id = key.id.text
        user = key.user.text
        label = key.label.text
        readOnly = key.isReadOnly
        created = key.created.description
        expires = key.expires?.description
        expired = key.isExpired(at: .now())
    }

    static func table(_ keys: [APIKey]) {
        Output.table(
            ["ID", "USER", "MAY", "CREATED", "EXPIRES", "LABEL"],
            keys.map { key in
                let expires = key.expires?.description ?? "never"
                return [
                    key.id.text, key.user.text, key.isReadOnly ? "read" : "all", key.created.description,
                    key.isExpired(at: .now()) ? "\(expires) (expired)" : expires, key.label.text,
                ]
            })
    }
}

/// Roles on the command line.
enum RoleText {
    static func list(_ roles: [Role]) -> String {
        roles.isEmpty ? "no role" : roles.map(\.description).joined(separator: ", ")
    }

    /// A role may name what is not there yet. Mostly it is a typing error.
    static func warn(_ roles: [Role], _ store: SecretStore) throws(StoreError) {
        for role in roles {
            switch role {
            case .owner(let owner) where try !store.hasOwner(owner):
                Output.note("warning: \(role): there is no algorithm of owner \(owner)")
            case .collaborator(let name) where try !store.hasAlgorithm(name):
                Output.note("warning: \(role): there is no algorithm \(name)")
            case .admin, .viewer, .owner, .collaborator: break
            }
        }
    }
}
