import Console
import FoundationEssentials
import HTTPTypes
import JSONText
import Secrets
import Store

/// Secrets: of an algorithm, and of an owner, which are then granted.
struct SecretCalls: Sendable {
    let service: APIService
    /// How the place is found that stands first in the path.
    let place: @Sendable (Call) throws -> Place

    func list(_ call: Call) throws -> Answer {
        let place = try place(call)
        let body = try service.listings.value(of: place, in: service.store, cost: \.count) {
            try listing(of: place).bytes
        }
        return Answer(.ok, type: "application/json", body ?? [])
    }

    private func listing(of place: Place) throws -> JSON {
        let listing = try service.store.listing(of: place.home)
        let secrets = try listing.secrets.map { try service.json($0, place) }
        // Both: the developer centre's document has one, the client's own tests the other.
        var body: [(String, JSON)] = [("results", .array(secrets)), ("secrets", .array(secrets))]
        if !listing.unreadable.isEmpty {
            body.append(("unreadable", .array(listing.unreadable.map { .string($0.text) })))
        }
        return JSON(body)
    }

    func show(_ call: Call) throws -> Answer {
        let place = try place(call)
        return .json(try service.json(try service.secret(call, in: place), place))
    }

    func create(_ call: Call) throws -> Answer {
        let place = try changeablePlace(call)
        let body = try call.json()
        try body.allowOnly([
            "short_name", "description", "owner_type", "owner_id", "secret_key", "secret_value",
            "provider_id", "reference", "delivery",
        ])
        try check(body, place)
        let name = try EnvironmentName(try body.requiredString("secret_key"))
        let displayName = try DisplayName(try body.requiredString("short_name"))
        let about = try about(body) ?? Description("")
        let delivery = try delivery(body) ?? .env
        let provider = try provider(body) ?? service.store.defaultProvider()
        let value = try body.value("secret_value")
        let origin = try origin(body, provider, call)
        guard origin != nil || value != nil else {
            throw APIError(.badRequest, .createRequiresSecretValue, "secret_value is missing")
        }
        guard origin == nil || value == nil else {
            throw APIError.constraint("reference says where the value is, and secret_value what it is")
        }
        let new = NewSecret(
            name: name, displayName: displayName, about: about, delivery: delivery,
            value: try value ?? SecretStore.noValue, origin: origin)
        let made = try service.change(call) { actor in
            guard origin == nil, provider != .internal else {
                return try service.store.createSecrets([new], of: place.home, by: actor)[0]
            }
            return try ProviderWriter(service.store).create(new, of: place.home, at: provider, by: actor)
        }
        return .json(try service.json(made, place))
    }

    func update(_ call: Call) throws -> Answer {
        let place = try changeablePlace(call)
        let body = try call.json()
        try body.allowOnly([
            "short_name", "description", "owner_type", "owner_id", "secret_key", "secret_value",
            "provider_id",
            "delivery",
        ])
        try check(body, place)
        let present = try service.secret(call, in: place)
        if let provider = try provider(body), provider != present.provider {
            throw APIError.constraint("the provider of a secret never changes; create another secret")
        }
        if let key = try body.string("secret_key"), key != present.name.text {
            throw APIError.constraint(
                "the environment variable name of a secret never changes; create another secret")
        }
        var update = SecretUpdate(
            value: try body.value("secret_value"),
            displayName: try body.string("short_name").map { try DisplayName($0) }, about: try about(body),
            delivery: try delivery(body))
        guard update.value != nil || !update.isEmpty else { return .json(try service.json(present, place)) }
        update.ifSecret = present.id
        let changes = update
        let made = try service.change(call) { actor in
            try ProviderWriter(service.store).update(present, of: place.home, changes, by: actor)
        }
        return .json(try service.json(made, place))
    }

    func delete(_ call: Call) throws -> Answer {
        let place = try changeablePlace(call)
        let present = try service.secret(call, in: place)
        try service.change(call) { actor in
            try ProviderWriter(service.store).delete(present, of: place.home, by: actor)
        }
        return .nothing
    }

    // MARK: Versions

    func history(_ call: Call) throws -> Answer {
        let place = try place(call)
        let secret = try service.secret(call, in: place)
        let versions = try secret.versions.reversed().map { version -> JSON in
            [
                "version": .number(Int(version.version.number)),
                "id": .string(text(try service.identity.id(of: version.version, of: secret.id))),
                "created": .string(version.created.description), "created_by": .string(version.actor.text),
            ]
        }
        return .json(["results": .array(versions)])
    }

    func rollBack(_ call: Call) throws -> Answer {
        let place = try changeablePlace(call)
        let body = try call.json()
        try body.allowOnly(["version"])
        guard let number = try body.number("version"), number > 0 else {
            throw APIError.malformed("version, the number of a kept version, is missing")
        }
        let present = try service.secret(call, in: place)
        let made = try service.change(call) { actor in
            try service.store.rollBack(
                present.name, of: place.home, to: Version(number: number), ifSecret: present.id, by: actor)
        }
        return .json(try service.json(made, place))
    }

    // MARK: What bodies have in common

    private func changeablePlace(_ call: Call) throws -> Place {
        let place = try place(call)
        let isAllowed = try call.principal().permissions.mayChangeSecrets(of: place.home)
        try service.require(isAllowed, call, place.home)
        return place
    }

    /// What says again whose secret it is and where it is kept must say the same.
    private func check(_ body: JSONObject, _ place: Place) throws {
        if let type = try body.string("owner_type"), type != place.ownerType {
            throw APIError.constraint("owner_type must be \(place.ownerType) here")
        }
        if let owner = try body.string("owner_id") {
            // Ids are the same in both cases; names are not.
            let given = Call.id(owner).map { text($0) } ?? owner
            guard given == place.ownerID else {
                throw APIError.constraint("owner_id is not the one that the path names")
            }
        }
    }

    /// Nil if the body names none.
    private func provider(_ body: JSONObject) throws -> ProviderName? {
        guard let given = try body.string("provider_id") else { return nil }
        guard let name = try service.providers.find(Call.id(given)) else {
            throw APIError(
                .badRequest, .secretProviderNotFound, "there is no secret provider of this provider_id")
        }
        return name
    }

    /// Nil if the body has a value. A provider's credentials may read more than the algorithms of one user: who may refer to
    /// any of it is who has set the provider up.
    private func origin(_ body: JSONObject, _ provider: ProviderName, _ call: Call) throws -> SecretOrigin? {
        guard let reference = try body.string("reference") else { return nil }
        try service.require(try call.principal().permissions.mayManageProviders, call)
        guard provider != .internal else {
            throw APIError.constraint("provider_id must be that of an external provider with a reference")
        }
        return SecretOrigin(provider: provider, reference: try ProviderReference(reference))
    }

    /// The original's client sends a blank where nothing was said.
    private func about(_ body: JSONObject) throws -> Description? {
        try body.string("description").map { try Description($0 == " " ? "" : $0) }
    }

    private func delivery(_ body: JSONObject) throws -> Delivery? {
        guard let text = try body.string("delivery") else { return nil }
        guard let delivery = Delivery(rawValue: text) else {
            throw APIError.constraint("delivery must be env or file")
        }
        return delivery
    }
}
