import Console
import HTTPTypes
import Secrets
import Store

/// The external secret stores: who they are, and for administrators how they are set up.
struct ProviderPages: Sendable {
    let site: Site
    static let path = "/providers"

    private static func label(_ kind: ProviderKind) -> String {
        switch kind {
        case .vault: "HashiCorp Vault or OpenBao"
        case .azureKeyVault: "Azure Key Vault"
        case .awsSecretsManager: "AWS Secrets Manager"
        }
    }

    func list(_ call: PageCall) throws -> PageAnswer {
        try site.require(try call.principal().permissions.maySeeProviders, call)
        let store = site.service.store
        let (first, mayManage) = (
            try store.defaultProvider(), try call.principal().permissions.mayManageProviders
        )
        func row(
            _ name: ProviderName, _ shown: String, _ about: String, _ module: String, _ made: Timestamp
        ) -> PageFields {
            [
                "name": shown, "key": name.text, "about": about, "module": module,
                "made": PageTime.fields(made), "isDefault": name == first,
                "isExternal": name != .internal, "mayManage": mayManage,
                "formToken": call.session?.formToken ?? "",
            ]
        }
        let rows =
            [
                row(
                    .internal, InternalProvider.name, InternalProvider.about, InternalProvider.module,
                    site.service.provider.created)
            ]
            + (try store.providers()).map {
                row($0.name, $0.name.text, $0.about.text, ProviderList.module(of: $0.kind), $0.created)
            }
        return site.page(
            call, "providers", title: "Secret Store",
            [
                "rows": rows, "count": "\(rows.count)", "mayManage": mayManage,
                "kinds": ProviderKind.allCases.map { kind -> PageFields in
                    ["kind": kind.rawValue, "label": Self.label(kind)]
                },
            ])
    }

    // MARK: New

    func showNew(_ call: PageCall) throws -> PageAnswer {
        page(call, ProviderInput(of: try newKind(call)))
    }

    func create(_ call: PageCall) throws -> PageAnswer {
        var input = ProviderInput(of: try newKind(call))
        let update = try input.take(try call.filledForm())
        guard let name = input.parsedName, input.errors.isEmpty else { return page(call, input) }
        do {
            try site.service.store.checkIsFree(name)
            let update = try ProviderDesk.exchange(
                update, input.kind, present: ProviderConfiguration(), of: name)
            try site.service.change(call.call) { actor in
                _ = try site.service.store.createProvider(name, input.kind, update, by: actor)
            }
        } catch StoreError.providerExists {
            input.errors["name"] = "There is a provider of this name already"
            return page(call, input)
        }
        return site.done(call, "\(name) is made. Test it before secrets refer to it.", at: Self.path)
    }

    private func newKind(_ call: PageCall) throws -> ProviderKind {
        try site.require(try call.principal().permissions.mayManageProviders, call)
        guard let kind = ProviderKind(rawValue: call.call.captures[0]) else { throw APIError.noPath }
        return kind
    }

    // MARK: Changes

    func showUpdate(_ call: PageCall) throws -> PageAnswer {
        page(call, ProviderInput(of: try changeable(call)))
    }

    func update(_ call: PageCall) throws -> PageAnswer {
        let provider = try changeable(call)
        var input = ProviderInput(of: provider)
        let update = try input.take(try call.filledForm())
        guard input.errors.isEmpty else { return page(call, input) }
        do {
            let update = try ProviderDesk.exchange(
                update, provider.kind, of: provider.name, in: site.service.store)
            try site.service.change(call.call) { actor in
                _ = try site.service.store.updateProvider(provider.name, update, by: actor)
            }
        } catch StoreError.providerMoved(let move) {
            input.errors[move.setting] = Failure(StoreError.providerMoved(move)).message
            return page(call, input)
        }
        return site.done(call, "\(provider.name) is changed.", at: Self.path)
    }

    func makeDefault(_ call: PageCall) throws -> PageAnswer {
        try site.require(try call.principal().permissions.mayManageProviders, call)
        let name = call.call.captures[0] == ProviderName.internal.text ? .internal : try changeable(call).name
        try call.filledForm().allowOnly(["form_token"])
        try site.service.change(call.call) { actor in
            try site.service.store.setDefaultProvider(name, by: actor)
        }
        return site.done(
            call, "\(name == .internal ? InternalProvider.name : name.text) is the default.", at: Self.path)
    }

    func test(_ call: PageCall) throws -> PageAnswer {
        let provider = try changeable(call)
        try call.filledForm().allowOnly(["form_token"])
        let found: String
        do {
            let lines = try ProviderDesk(provider.name, of: site.service.store).test(nil)
            found = "\(provider.name): " + lines.joined(separator: "; ")
        } catch let failure as Failure {
            found = failure.message
        }
        return site.done(call, printable(found, atMost: 600), at: Self.path)
    }

    func askRemoval(_ call: PageCall) throws -> PageAnswer {
        let provider = try changeable(call)
        return site.page(
            call, "provider-removal", title: "Remove \(provider.name)",
            ["width": "narrow", "name": provider.name.text, "crumbs": crumbs("Remove \(provider.name)")])
    }

    func remove(_ call: PageCall) throws -> PageAnswer {
        let provider = try changeable(call)
        try call.filledForm().allowOnly(["form_token"])
        guard try site.service.store.defaultProvider() != provider.name else {
            return site.done(
                call, "\(provider.name) is the default: make another one the default first.", at: Self.path)
        }
        do {
            try site.service.change(call.call) { actor in
                try site.service.store.deleteProvider(provider.name, by: actor)
            }
        } catch let error as StoreError {
            guard case .providerInUse = error else { throw error }
            return site.done(call, "Nothing was changed: \(Failure(error).message).", at: Self.path)
        }
        return site.done(call, "\(provider.name) is removed.", at: Self.path)
    }

    // MARK: What pages share

    private func changeable(_ call: PageCall) throws -> ExternalProvider {
        try site.require(try call.principal().permissions.mayManageProviders, call)
        guard let name = try? ProviderName(call.call.captures[0]) else { throw APIError.noPath }
        do { return try site.service.store.provider(name) } catch StoreError.providerMissing {
            throw APIError.noPath
        }
    }

    private func crumbs(_ label: String) -> [PageFields] {
        [["label": "Secret Store", "href": Self.path], ["label": label]]
    }

    private func page(_ call: PageCall, _ input: ProviderInput) -> PageAnswer {
        var fields = input.fields
        let title =
            input.present.map { "Update \($0.name)" } ?? "New \(Self.label(input.kind))"
        fields["width"] = "narrow"
        fields["heading"] = title
        fields["crumbs"] = crumbs(title)
        fields["isNew"] = input.present == nil
        fields["action"] =
            input.present.map { "\(Self.path)/\($0.name)/update" } ?? "/new-provider/\(input.kind.rawValue)"
        fields["button"] = input.present == nil ? "Create Provider" : "Update Provider"
        return site.page(
            call, "provider-form", title: title, status: input.errors.isEmpty ? .ok : .unprocessableContent,
            fields)
    }
}
