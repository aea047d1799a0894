import Console
import FoundationEssentials
import HTTPTypes
import JSONText
import Secrets
import Store

/// Where values live: the store itself, and external secret stores.
struct ProviderCalls: Sendable {
    let service: APIService
    private static let settings: Set<String> = [
        "name", "description", "moduleName", "factoryClassName", "interfaceVersion", "isEnabled", "isDefault",
        "configuration", "interval", "maximum_age",
    ]

    /// For whoever makes a secret: a bare array, the default first.
    func list(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayListProviders, call)
        return .json(.array(try service.providers.all()))
    }

    func listAll(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.maySeeProviders, call)
        return .json(.array(try service.providers.all()))
    }

    func show(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.maySeeProviders, call)
        return .json(try service.providers.json(of: try service.providers.name(of: call.id(0))))
    }

    func create(_ call: Call) throws -> Answer {
        try service.require(try call.principal().permissions.mayManageProviders, call)
        let body = try call.json()
        try body.allowOnly(Self.settings)
        let name = try ProviderName(try body.requiredString("name"))
        let kind = try kind(body)
        let update = try update(body, of: kind)
        let missing = kind.settings.filter { $0.isRequired && update.set[$0.name] == nil }
        guard missing.isEmpty else {
            throw APIError.constraint("configuration lacks \(missing.map(\.name).joined(separator: ", "))")
        }
        let isDefault = try body.truth("isDefault") ?? false
        try service.store.checkIsFree(name)
        let exchanged = try ProviderDesk.exchange(update, kind, present: ProviderConfiguration(), of: name)
        try service.change(call) { actor in
            try service.store.createProvider(name, kind, exchanged, by: actor)
            if isDefault { try service.store.setDefaultProvider(name, by: actor) }
        }
        return .json(try service.providers.json(of: name))
    }

    func update(_ call: Call) throws -> Answer {
        let (name, provider) = try changeable(call)
        guard let provider else {
            throw APIError(
                .badRequest, .cannotModifyInternalSecretProvider,
                "the internal secret provider cannot be changed")
        }
        let body = try call.json()
        try body.allowOnly(Self.settings)
        if let given = try body.string("name"), given != name.text {
            throw APIError.constraint("the name of a provider never changes; create another one")
        }
        if body.has("moduleName"), try kind(body) != provider.kind {
            throw APIError.constraint("what a provider is made by never changes; create another one")
        }
        let update = try update(body, of: provider.kind)
        let isDefault = try body.truth("isDefault") ?? false
        let exchanged = try ProviderDesk.exchange(update, provider.kind, of: name, in: service.store)
        try service.change(call) { actor in
            try service.store.updateProvider(name, exchanged, by: actor)
            if isDefault { try service.store.setDefaultProvider(name, by: actor) }
        }
        return .json(try service.providers.json(of: name))
    }

    func delete(_ call: Call) throws -> Answer {
        let (name, provider) = try changeable(call)
        guard provider != nil, try service.store.defaultProvider() != name else {
            throw APIError(
                .badRequest, .unableToDeleteDefaultSecretProvider,
                provider == nil
                    ? "the internal secret provider cannot be deleted"
                    : "the default secret provider cannot be deleted")
        }
        try service.change(call) { actor in try service.store.deleteProvider(name, by: actor) }
        return .nothing
    }

    func makeDefault(_ call: Call) throws -> Answer {
        let (name, _) = try changeable(call)
        try service.change(call) { actor in try service.store.setDefaultProvider(name, by: actor) }
        return .nothing
    }

    /// Logs in there, and reads what a reference names.
    func test(_ call: Call) throws -> Answer {
        let (name, provider) = try changeable(call)
        let body = try call.json()
        try body.allowOnly(["reference"])
        let reference = try body.string("reference").map { try ProviderReference($0) }
        guard provider != nil else { return .json(["found": ["the store itself"]]) }
        let lines = try ProviderDesk(name, of: service.store).test(reference)
        return .json(["found": .array(lines.map { .string(printable($0, atMost: 400)) })])
    }

    // MARK: What calls have in common

    /// - Returns: nil for the store itself.
    private func changeable(_ call: Call) throws -> (ProviderName, ExternalProvider?) {
        try service.require(try call.principal().permissions.mayManageProviders, call)
        let name = try service.providers.name(of: call.id(0))
        return (name, name == .internal ? nil : try service.store.provider(name))
    }

    private func kind(_ body: JSONObject) throws -> ProviderKind {
        guard let kind = ProviderList.kind(ofModule: try body.requiredString("moduleName")) else {
            let known = ProviderKind.allCases.map { ProviderList.module(of: $0) }.joined(separator: ", ")
            throw APIError(.badRequest, .secretProviderFailed, "moduleName must be one of \(known)")
        }
        return kind
    }

    private func update(_ body: JSONObject, of kind: ProviderKind) throws -> ProviderUpdate {
        if try body.truth("isEnabled") == false {
            throw APIError.constraint("a provider cannot be disabled; delete it")
        }
        var update = ProviderUpdate()
        update.about = try body.string("description").map { try Description($0) }
        update.interval = try number(body, "interval", ExternalProvider.intervals)
        update.maximumAge = try number(body, "maximum_age", ExternalProvider.maximumAges)
        guard let configuration = try body.object("configuration") else { return update }
        for name in configuration.names {
            guard let setting = kind.settings.first(where: { $0.name == name }) else {
                let known = kind.settings.map(\.name).joined(separator: ", ")
                throw APIError.constraint("a \(kind.rawValue) provider has the settings \(known)")
            }
            // Else whoever administers by API could have any file of this machine sent to an address of their choice.
            guard !setting.isLocal else {
                throw APIError.constraint(
                    "\(setting.name) is about this machine: it is set on its command line only")
            }
            update.set[name] = try configuration.value(name)
            // The machine's own tokens would go to that address.
            if let text = update.set.text(name), setting.localValues.contains(text) {
                throw APIError.constraint(
                    "\(name) \(text) is about this machine: it is set on its command line only")
            }
        }
        return update
    }

    private func number(
        _ body: JSONObject, _ name: String, _ range: ClosedRange<UInt32>
    ) throws -> UInt32? {
        guard let number = try body.number(name) else { return nil }
        guard range.contains(number) else {
            throw APIError.constraint("\(name) is \(range.lowerBound) to \(range.upperBound) seconds")
        }
        return number
    }
}
