import Secrets

/// What is about the store as a whole.
struct StorePages: Sendable {
    let site: Site

    func help(_ call: PageCall) throws -> PageAnswer { site.page(call, "help", title: "Help", [:]) }
}
