import Console
import FoundationEssentials
import Secrets
import Store

/// The JSON of `algorithm list` and `algorithm show` (docs/CLI.md).
struct AlgorithmReport: Encodable {
    let name: String
    let id: String
    let created: String
    var secrets: [SecretReport]?

    init(_ algorithm: Algorithm) {
        name = algorithm.name.description
        id = algorithm.id.uuidString.lowercased()
        created = algorithm.created.description
    }
    init(_ algorithm: Algorithm, _ secrets: [Secret]) {
        self.init(algorithm)
        self.secrets = secrets.map(SecretReport.init)
    }
}

/// The JSON of `secret list` and `secret show`. Never the value.
struct SecretReport: Encodable {
    struct VersionReport: Encodable {
        let version: UInt32
        let size: Int
        let created: String
        let by: String
    }
    let name: String
    let id: String
    let displayName: String
    let description: String
    let provider: String
    /// Of an external secret: what it refers to, the version that is pinned, its own interval in seconds.
    let from: String?
    let fromVersion: String?
    let interval: Int?
    let delivery: String
    let version: UInt32
    let size: Int
    let created: String
    let modified: String
    let notBefore: String?
    let expires: String?
    /// How many versions are kept at most.
    let keep: Int
    /// Only of secrets of an owner.
    let grants: [String]
    let versions: [VersionReport]

    init(_ secret: Secret) {
        name = secret.name.text
        id = secret.id.uuidString.lowercased()
        displayName = secret.displayName.text
        description = secret.about.text
        provider = secret.provider.text
        from = secret.origin?.reference.description
        fromVersion = secret.origin?.version?.text
        interval = secret.origin?.interval.map { Int($0) }
        delivery = secret.delivery.rawValue
        version = secret.current.version.number
        size = secret.current.count
        created = secret.created.description
        modified = secret.modified.description
        notBefore = secret.validity.notBefore?.description
        expires = secret.validity.expires?.description
        keep = secret.kept
        grants = secret.grants.map(\.description)
        versions = secret.versions.map {
            VersionReport(
                version: $0.version.number, size: $0.count, created: $0.created.description,
                by: $0.actor.text)
        }
    }

    static func table(_ secrets: [Secret]) {
        Output.table(
            ["NAME", "VERSION", "BYTES", "DELIVERY", "UPDATED", "DISPLAY NAME"],
            secrets.map { secret in
                [
                    secret.name.text, secret.current.version.description, String(secret.current.count),
                    secret.delivery.rawValue, secret.current.created.description, secret.displayName.text,
                ]
            })
    }
}
