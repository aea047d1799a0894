import Console
import HTTPTypes
import Secrets
import Store

/// The forms that make a secret and replace its value.
struct SecretForms: Sendable {
    let site: Site

    // MARK: New

    func showNew(_ call: PageCall) throws -> PageAnswer {
        let name = try changeableAlgorithm(call)
        return try newPage(call, name, SecretInput())
    }

    func create(_ call: PageCall) throws -> PageAnswer {
        let name = try changeableAlgorithm(call)
        let form = try call.filledForm()
        let mayRefer = try mayRefer(call)
        try form.allowOnly(SecretInput.fields.union(mayRefer ? ["secret_key", "reference"] : ["secret_key"]))
        var input = try SecretInput(form, site.service.providers)
        let variable = input.parse("secret_key", input.variable) { text throws(NameError) in
            try EnvironmentName(text)
        }
        let origin = mayRefer ? try input.origin(form) : nil
        let value = try origin == nil ? input.value(form) : SecretStore.noValue
        if input.errors["secret_value"] == nil, input.reference.isEmpty, value?.count ?? 0 == 0 {
            input.errors["secret_value"] = "Type or paste the value"
        }
        guard input.errors.isEmpty, let variable, let value, let displayName = input.parsedName,
            let about = input.parsedAbout, let provider = input.provider
        else { return try newPage(call, name, input) }
        let new = NewSecret(
            name: variable, displayName: displayName, about: about, delivery: input.delivery, value: value,
            origin: origin)
        do {
            try site.service.change(call.call) { actor in
                let store = site.service.store
                guard provider != .internal, origin == nil else {
                    _ = try store.createSecrets([new], of: .algorithm(name), by: actor)
                    return
                }
                _ = try ProviderWriter(store).create(new, of: .algorithm(name), at: provider, by: actor)
            }
        } catch let failure as Failure {
            input.errors["provider_id"] = "Nothing was changed here: \(failure.message)"
            return try newPage(call, name, input)
        } catch let error as StoreError {
            guard input.explain(error) else { throw error }
            return try newPage(call, name, input)
        }
        return site.done(call, "\(variable) is made.", at: SettingsPage.path(name))
    }

    /// As by API (`SecretCalls.origin`).
    private func mayRefer(_ call: PageCall) throws -> Bool {
        try call.principal().permissions.mayManageProviders
            && site.service.providers.choices().contains { $0.name != .internal }
    }

    private func newPage(_ call: PageCall, _ name: AlgorithmName, _ input: SecretInput) throws -> PageAnswer {
        var fields = input.fields
        fields["mayRefer"] = try mayRefer(call)
        fields["isNew"] = true
        fields["heading"] = "New secret"
        fields["button"] = "Create Secret"
        fields["action"] = "/algorithms/\(name)/secrets/new"
        fields["cancel"] = SettingsPage.path(name)
        fields["crumbs"] = [
            ["label": name.description, "href": SettingsPage.path(name)] as PageFields,
            ["label": "New secret"] as PageFields,
        ]
        return try page(call, "New secret", input, fields)
    }

    private func changeableAlgorithm(_ call: PageCall) throws -> AlgorithmName {
        let name = try site.algorithm(call)
        let isAllowed = try call.principal().permissions.mayChangeSecrets(of: .algorithm(name))
        try site.require(isAllowed, call, .algorithm(name))
        return name
    }

    // MARK: Update

    func showUpdate(_ call: PageCall) throws -> PageAnswer {
        let place = try changeableSecret(call)
        return try updatePage(call, place, SecretInput(of: place.secret))
    }

    func update(_ call: PageCall) throws -> PageAnswer {
        let place = try changeableSecret(call)
        let form = try call.filledForm()
        try form.allowOnly(SecretInput.fields.union(["secret_id"]))
        try place.check(form)
        var input = try SecretInput(form, site.service.providers)
        let value = try input.value(form)
        guard input.errors.isEmpty, let displayName = input.parsedName, let about = input.parsedAbout else {
            return try updatePage(call, place, input)
        }
        let present = place.secret
        guard input.provider == present.provider else {
            input.errors["provider_id"] = "The provider of a secret never changes"
            return try updatePage(call, place, input)
        }
        var update = SecretUpdate(
            value: value.flatMap { $0.count > 0 ? $0 : nil },
            displayName: displayName == present.displayName ? nil : displayName,
            about: about == present.about ? nil : about,
            delivery: input.delivery == present.delivery ? nil : input.delivery)
        update.ifSecret = present.id
        let settings = SettingsPage.path(place.algorithm)
        guard update.value != nil || !update.isEmpty else {
            return site.done(call, "Nothing was different: \(present.name) is as it was.", at: settings)
        }
        let changes = update
        do {
            try site.service.change(call.call) { actor in
                _ = try ProviderWriter(site.service.store).update(
                    present, of: place.home, changes, by: actor)
            }
        } catch let failure as Failure {
            input.errors["provider_id"] = "Nothing was changed here: \(failure.message)"
            return try updatePage(call, place, input)
        } catch let error as StoreError {
            guard input.explain(error) else { throw error }
            return try updatePage(call, place, input)
        }
        let what = changes.value == nil ? "is changed; its value is as it was" : "has a new value"
        return site.done(call, "\(present.name) \(what).", at: settings)
    }

    private func updatePage(_ call: PageCall, _ place: SecretPlace, _ input: SecretInput) throws -> PageAnswer
    {
        var fields = input.fields
        fields["variable"] = place.secret.name.text
        fields["secretID"] = text(place.secret.id)
        fields["heading"] = "Update \(place.secret.displayName)"
        fields["button"] = "Update Secret"
        fields["action"] = "\(place.path)/update"
        fields["cancel"] = SettingsPage.path(place.algorithm)
        fields["crumbs"] = place.crumbs("Update")
        return try page(
            call, "Update \(place.secret.name)", input, fields, only: place.secret.provider)
    }

    private func changeableSecret(_ call: PageCall) throws -> SecretPlace {
        let place = try SecretPlace(call, site)
        let isAllowed = try call.principal().permissions.mayChangeSecrets(of: place.home)
        try site.require(isAllowed, call, place.home)
        return place
    }

    private func page(
        _ call: PageCall, _ title: String, _ input: SecretInput, _ fields: PageFields,
        only: ProviderName? = nil
    ) throws -> PageAnswer {
        var all = fields
        all["width"] = "narrow"
        let choices = try site.service.providers.choices()
        let chosen = only ?? input.provider ?? choices.first { $0.isDefault }?.name
        all["providers"] = choices.filter { only == nil || $0.name == only }.map { choice -> PageFields in
            [
                "id": text(choice.id), "isChosen": choice.name == chosen,
                "name": (choice.name == .internal ? InternalProvider.name : choice.name.text)
                    + (choice.isDefault ? " (default)" : ""),
            ]
        }
        return site.page(
            call, "secret-form", title: title, status: input.errors.isEmpty ? .ok : .unprocessableContent, all
        )
    }
}
