import JSONText
import Secrets
import Store

/// Which algorithms see a secret of an owner.
struct GrantCalls: Sendable {
    let service: APIService

    func show(_ call: Call) throws -> Answer {
        let place = try service.ownerPlace(call)
        return .json(json(try service.secret(call, in: place)))
    }

    /// All of them, as they are to be from now on.
    func replace(_ call: Call) throws -> Answer {
        let place = try service.ownerPlace(call)
        guard case .owner(let owner) = place.home else { throw APIError.noOwner }
        let body = try call.json()
        try body.allowOnly(["grants"])
        guard let given = try body.strings("grants") else { throw APIError.malformed("grants is missing") }
        guard given.count <= Secret.maximumGrants else {
            throw APIError.constraint("a secret has at most \(Secret.maximumGrants) grants")
        }
        let grantees = Set(try given.map { try Grantee($0) }).sorted()
        let present = try service.secret(call, in: place)
        let permissions = try call.principal().permissions
        let added = grantees.filter { !present.grants.contains($0) }
        let isAllowed =
            permissions.mayRevoke(secretOf: owner)
            && added.allSatisfy { permissions.mayGrant(secretOf: owner, to: $0) }
        try service.require(isAllowed, call, place.home)
        let made = try service.change(call) { actor in
            try service.store.replaceGrants(
                of: present.name, of: owner, by: grantees, ifSecret: present.id, by: actor)
        }
        return .json(json(made))
    }

    private func json(_ secret: Secret) -> JSON {
        ["grants": .array(secret.grants.map { .string($0.description) })]
    }
}
