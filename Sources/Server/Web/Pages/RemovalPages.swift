import Console
import Secrets
import Store

/// Removing a secret: asked once more, then done.
struct RemovalPages: Sendable {
    let site: Site

    func ask(_ call: PageCall) throws -> PageAnswer {
        let place = try changeable(call)
        let count = place.secret.versions.count
        let versions = count == 1 ? "its one version" : "all \(count) versions that are kept of it"
        return site.page(
            call, "confirm", title: "Remove \(place.secret.name)",
            [
                "width": "narrow", "crumbs": place.crumbs("Remove"), "action": "\(place.path)/remove",
                "heading": "Remove \(place.secret.displayName)?", "variable": place.secret.name.text,
                "secretID": text(place.secret.id), "isDanger": true, "button": "Remove Secret",
                "cancel": SettingsPage.path(place.algorithm),
                "paragraphs": [
                    ["text": "This deletes the secret and \(versions), and cannot be undone."] as PageFields,
                    [
                        "text":
                            "Programs of \(place.algorithm) lose the file at once, and the variable at their next start."
                    ]
                        as PageFields,
                ],
            ])
    }

    func remove(_ call: PageCall) throws -> PageAnswer {
        let place = try changeable(call)
        let form = try call.filledForm()
        try form.allowOnly(["form_token", "secret_id"])
        try place.check(form)
        try site.service.change(call.call) { actor in
            try ProviderWriter(site.service.store).delete(place.secret, of: place.home, by: actor)
        }
        return site.done(call, "\(place.secret.name) is removed.", at: SettingsPage.path(place.algorithm))
    }

    private func changeable(_ call: PageCall) throws -> SecretPlace {
        let place = try SecretPlace(call, site)
        let isAllowed = try call.principal().permissions.mayChangeSecrets(of: place.home)
        try site.require(isAllowed, call, place.home)
        return place
    }
}
