import Secrets
import Store

/// What is about the store as a whole.
struct StorePages: Sendable {
    let site: Site

    func providers(_ call: PageCall) throws -> PageAnswer {
        try site.require(try call.principal().permissions.maySeeProviders, call)
        let store = site.service.store
        let first = try store.defaultProvider()
        let own: PageFields = [
            "name": InternalProvider.name, "about": InternalProvider.about, "module": InternalProvider.module,
            "made": PageTime.fields(site.service.provider.created), "isDefault": first == .internal,
        ]
        let external = try store.providers().map { provider -> PageFields in
            [
                "name": provider.name.text, "about": provider.about.text,
                "module": ProviderList.module(of: provider.kind), "made": PageTime.fields(provider.created),
                "isDefault": provider.name == first,
            ]
        }
        let rows = [own] + external
        return site.page(
            call, "providers", title: "Secret Store", ["rows": rows, "count": "\(rows.count)"])
    }

    func help(_ call: PageCall) throws -> PageAnswer { site.page(call, "help", title: "Help", [:]) }
}
