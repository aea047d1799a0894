import Secrets

/// What is about the store as a whole.
struct StorePages: Sendable {
    let site: Site

    func providers(_ call: PageCall) throws -> PageAnswer {
        try site.require(try call.principal().permissions.maySeeProviders, call)
        let provider = site.service.provider
        let row: PageFields = [
            "name": InternalProvider.name, "about": InternalProvider.about, "module": InternalProvider.module,
            "made": PageTime.fields(provider.created),
        ]
        return site.page(call, "providers", title: "Secret Store", ["rows": [row]])
    }

    func help(_ call: PageCall) throws -> PageAnswer { site.page(call, "help", title: "Help", [:]) }
}
