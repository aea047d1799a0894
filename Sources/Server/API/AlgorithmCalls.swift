import Console
import FoundationEssentials
import JSONText
import Secrets
import Store

struct AlgorithmCalls: Sendable {
    let service: APIService

    /// Those that who asks may see.
    func list(_ call: Call) throws -> Answer {
        let permissions = try call.principal().permissions
        let seen = try service.store.algorithms().filter { permissions.maySee(.algorithm($0.name)) }
        return .json(["results": .array(seen.map(json))])
    }

    func show(_ call: Call) throws -> Answer {
        let name = try name(call)
        return .json(json(try service.store.algorithmOnly(name)))
    }

    func create(_ call: Call) throws -> Answer {
        let body = try call.json()
        try body.allowOnly(["name"])
        guard let owner = try? OwnerName(call.captures[0]) else { throw APIError.noOwner }
        let isAllowed = try call.principal().permissions.mayCreateAlgorithm(of: owner)
        try service.require(isAllowed, call, .owner(owner))
        let name = try AlgorithmName("\(owner)/\(try body.requiredString("name"))")
        let made = try service.change(call) { _ in try service.store.createAlgorithm(name) }
        return .json(json(made))
    }

    func delete(_ call: Call) throws -> Answer {
        let name = try name(call)
        try service.require(try call.principal().permissions.mayDelete(name), call, .algorithm(name))
        try service.change(call) { actor in try ProviderWriter(service.store).delete(name, by: actor) }
        return .nothing
    }

    private func json(_ algorithm: Algorithm) -> JSON {
        [
            "id": .string(text(algorithm.id)), "name": .string(algorithm.name.name),
            "owner": .string(algorithm.name.owner), "created": .string(algorithm.created.description),
        ]
    }

    private func name(_ call: Call) throws -> AlgorithmName {
        let given = call.captures.joined(separator: "/")
        guard let name = try? AlgorithmName(given) else { throw APIError.noAlgorithm("of this name") }
        guard try call.principal().permissions.maySee(.algorithm(name)) else {
            service.deny(call, .algorithm(name))
            throw APIError.noAlgorithm(name.description)
        }
        guard try service.store.hasAlgorithm(name) else { throw APIError.noAlgorithm(name.description) }
        return name
    }
}
