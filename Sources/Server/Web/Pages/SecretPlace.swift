import HTTPTypes
import Secrets
import Store

/// A secret that a path names, `/algorithms/OWNER/NAME/secrets/VARIABLE…`.
struct SecretPlace {
    let algorithm: AlgorithmName
    let secret: Secret

    init(_ call: PageCall, _ site: Site) throws {
        algorithm = try site.algorithm(call)
        guard let name = try? EnvironmentName(call.call.captures[2]) else { throw APIError.noPath }
        secret = try site.service.store.secret(name, of: .algorithm(algorithm))
    }

    var home: SecretHome { .algorithm(algorithm) }
    var path: String { "/algorithms/\(algorithm)/secrets/\(secret.name)" }

    /// Where the page is; `last` is the page itself.
    func crumbs(_ last: String? = nil) -> [PageFields] {
        var crumbs: [PageFields] = [["label": algorithm.description, "href": SettingsPage.path(algorithm)]]
        if let last {
            crumbs += [["label": secret.displayName.text, "href": path], ["label": last]]
        } else {
            crumbs.append(["label": secret.displayName.text])
        }
        return crumbs
    }

    /// - Throws: if the form was made for another secret, which had this name then.
    func check(_ form: FormBody) throws {
        guard Call.id(try form.string("secret_id")) == secret.id else {
            throw APIError(
                .conflict,
                "the secret was deleted and made again since the form was opened; nothing was changed")
        }
    }
}
