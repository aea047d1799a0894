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
        return newPage(call, name, SecretInput())
    }

    func create(_ call: PageCall) throws -> PageAnswer {
        let name = try changeableAlgorithm(call)
        let form = try call.filledForm()
        try form.allowOnly(SecretInput.fields.union(["secret_key"]))
        var input = try SecretInput(form, site.service.provider)
        let variable = input.parse("secret_key", input.variable) { text throws(NameError) in
            try EnvironmentName(text)
        }
        let value = try input.value(form)
        if input.errors["secret_value"] == nil, value?.count ?? 0 == 0 {
            input.errors["secret_value"] = "Type or paste the value"
        }
        guard input.errors.isEmpty, let variable, let value, let displayName = input.parsedName,
            let about = input.parsedAbout
        else { return newPage(call, name, input) }
        let new = NewSecret(
            name: variable, displayName: displayName, about: about, delivery: input.delivery, value: value)
        do {
            try site.service.change(call.call) { actor in
                _ = try site.service.store.createSecrets([new], of: .algorithm(name), by: actor)
            }
        } catch let error as StoreError {
            guard input.explain(error) else { throw error }
            return newPage(call, name, input)
        }
        return site.done(call, "\(variable) is made.", at: SettingsPage.path(name))
    }

    private func newPage(_ call: PageCall, _ name: AlgorithmName, _ input: SecretInput) -> PageAnswer {
        var fields = input.fields
        fields["isNew"] = true
        fields["heading"] = "New secret"
        fields["button"] = "Create Secret"
        fields["action"] = "/algorithms/\(name)/secrets/new"
        fields["cancel"] = SettingsPage.path(name)
        fields["crumbs"] = [
            ["label": name.description, "href": SettingsPage.path(name)] as PageFields,
            ["label": "New secret"] as PageFields,
        ]
        return page(call, "New secret", input, fields)
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
        return updatePage(call, place, SecretInput(of: place.secret))
    }

    func update(_ call: PageCall) throws -> PageAnswer {
        let place = try changeableSecret(call)
        let form = try call.filledForm()
        try form.allowOnly(SecretInput.fields.union(["secret_id"]))
        try place.check(form)
        var input = try SecretInput(form, site.service.provider)
        let value = try input.value(form)
        guard input.errors.isEmpty, let displayName = input.parsedName, let about = input.parsedAbout else {
            return updatePage(call, place, input)
        }
        let present = place.secret
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
        } catch let error as StoreError {
            guard input.explain(error) else { throw error }
            return updatePage(call, place, input)
        }
        let what = changes.value == nil ? "is changed; its value is as it was" : "has a new value"
        return site.done(call, "\(present.name) \(what).", at: settings)
    }

    private func updatePage(_ call: PageCall, _ place: SecretPlace, _ input: SecretInput) -> PageAnswer {
        var fields = input.fields
        fields["variable"] = place.secret.name.text
        fields["secretID"] = text(place.secret.id)
        fields["heading"] = "Update \(place.secret.displayName)"
        fields["button"] = "Update Secret"
        fields["action"] = "\(place.path)/update"
        fields["cancel"] = SettingsPage.path(place.algorithm)
        fields["crumbs"] = place.crumbs("Update")
        return page(call, "Update \(place.secret.name)", input, fields)
    }

    private func changeableSecret(_ call: PageCall) throws -> SecretPlace {
        let place = try SecretPlace(call, site)
        let isAllowed = try call.principal().permissions.mayChangeSecrets(of: place.home)
        try site.require(isAllowed, call, place.home)
        return place
    }

    private func page(
        _ call: PageCall, _ title: String, _ input: SecretInput, _ fields: PageFields
    ) -> PageAnswer {
        var all = fields
        all["width"] = "narrow"
        all["providerID"] = text(site.service.provider.id)
        all["providerName"] = "\(InternalProvider.name) (default)"
        return site.page(
            call, "secret-form", title: title, status: input.errors.isEmpty ? .ok : .unprocessableContent, all
        )
    }
}
