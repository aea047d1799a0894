import FoundationEssentials
import HTTPTypes
import Secrets
import Store

/// Whose secrets a call is about.
struct Place: Hashable {
    let home: SecretHome
    /// As the API names it: an algorithm's id, an owner's name.
    let ownerType: String
    let ownerID: String
}

extension APIService {
    /// The algorithm whose id stands first in the path.
    ///
    /// - Throws: the same where there is none and where who asks may not see it.
    func algorithmPlace(_ call: Call) throws -> Place {
        let given = call.captures[0]
        guard let id = call.id(0), let name = try identities.algorithm(id) else {
            throw APIError.noAlgorithm(Self.shown(given))
        }
        let home = SecretHome.algorithm(name)
        guard try call.principal().permissions.maySee(home) else {
            deny(call, home)
            throw APIError.noAlgorithm(Self.shown(given))
        }
        return Place(home: home, ownerType: "algorithm", ownerID: text(id))
    }

    /// The owner whose name stands first in the path.
    func ownerPlace(_ call: Call) throws -> Place {
        guard let owner = try? OwnerName(call.captures[0]) else { throw APIError.noOwner }
        let home = SecretHome.owner(owner)
        guard try call.principal().permissions.maySee(home) else {
            deny(call, home)
            throw APIError.noOwner
        }
        return Place(home: home, ownerType: "organization", ownerID: owner.text)
    }

    /// The secret whose id stands second in the path.
    func secret(_ call: Call, in place: Place) throws -> Secret {
        let given = call.captures[1]
        guard let id = call.id(1), let secret = try identities.secret(id, of: place.home) else {
            throw APIError.noSecret(Self.shown(given))
        }
        return secret
    }

    /// What a client gave for an id, if it looks like one: anything else is not repeated.
    static func shown(_ given: String) -> String { Call.id(given).map { text($0) } ?? "of this id" }

    func json(_ secret: Secret, _ place: Place) throws -> JSON {
        let version = try identity.id(of: secret.current.version, of: secret.id)
        let json: JSON = [
            "id": .string(text(secret.id)), "short_name": .string(secret.displayName.text),
            "description": .string(secret.about.text), "owner_type": .string(place.ownerType),
            "owner_id": .string(place.ownerID),
            "provider_id": .string(text(try providers.id(of: secret.provider))),
            "secret_key": .string(secret.name.text), "created": .string(secret.created.description),
            "modified": .string(max(secret.modified, secret.current.created).description),
            "default_secret_value_id": .string(text(version)), "delivery": .string(secret.delivery.rawValue),
        ]
        guard let origin = secret.origin else { return json }
        return json.with([("reference", .string(origin.reference.description))])
    }
}

extension APIError {
    static let noOwner = APIError(
        .notFound, .algorithmIdDoesNotExist, "there is no owner of this name, or this key may not see it")
}
