import Fuse
import Secrets

/// A path of an admin mount, parsed.
enum Place: Hashable, Sendable {
    case root
    /// `algorithms`, below it the owners.
    case algorithms
    /// `owners`.
    case owners
    /// `algorithms/OWNER`.
    case owner(OwnerName)
    /// `algorithms/OWNER/NAME` or `owners/OWNER`: holds secrets.
    case home(SecretHome)
    /// `.callers` of an algorithm: who may open all of its secrets. With a dot, which no secret's name has.
    case rule(AlgorithmName)
    case secret(SecretReference)
    case file(SecretReference, SecretFile)
    case temporary(SecretReference, TemporaryFile)

    /// The name of `rule`.
    static let ruleName = ".callers"

    var parent: Place {
        switch self {
        case .root, .algorithms, .owners: .root
        case .owner: .algorithms
        case .home(.algorithm(let name)): (try? OwnerName(name.owner)).map { .owner($0) } ?? .algorithms
        case .home(.owner): .owners
        case .rule(let algorithm): .home(.algorithm(algorithm))
        case .secret(let secret): .home(secret.home)
        case .file(let secret, _), .temporary(let secret, _): .secret(secret)
        }
    }

    var isDirectory: Bool {
        switch self {
        case .rule, .file, .temporary: false
        default: true
        }
    }

    /// The permission bits, and who may change what they say: nobody.
    var permissions: UInt16 {
        switch self {
        case .file(_, let file): file.permissions
        case .rule, .temporary: 0o600
        default: 0o700
        }
    }

    /// The most that can be written there, in bytes.
    var maximumCount: Int {
        switch self {
        case .file(_, let file): file.maximumCount
        case .rule: SecretFile.callers.maximumCount
        case .temporary: TemporaryFile.maximumCount
        default: 0
        }
    }

    /// For the log.
    var path: String {
        switch self {
        case .root: "/"
        case .algorithms: "algorithms"
        case .owners: "owners"
        case .owner(let owner): "algorithms/\(owner)"
        case .home(.algorithm(let name)): "algorithms/\(name)"
        case .home(.owner(let owner)): "owners/\(owner)"
        case .rule: "\(parent.path)/\(Place.ruleName)"
        case .secret(let secret): "\(Place.home(secret.home).path)/\(secret.name)"
        case .file(let secret, let file): "\(Place.secret(secret).path)/\(file.rawValue)"
        // Its name is a program's, and may be anything.
        case .temporary(let secret, _): "\(Place.secret(secret).path)/…"
        }
    }
}

/// The files of a secret's directory, in the order of the listing.
enum SecretFile: String, CaseIterable, Sendable {
    case value
    case name
    case description
    case delivery
    case notBefore = "not_before"
    case expires
    case kept
    case callers
    case grants
    case provider
    case version
    case versions
    case created
    case modified
    case modifiedBy = "modified_by"

    /// The permission bits.
    var permissions: UInt16 {
        switch self {
        case .value: 0o200
        case .name, .description, .delivery, .notBefore, .expires, .kept, .callers, .grants: 0o600
        case .provider, .version, .versions, .created, .modified, .modifiedBy: 0o400
        }
    }
    var isWritable: Bool { permissions & 0o200 != 0 }

    /// Whether a secret has it before its first value.
    var isOfDrafts: Bool { isWritable }

    /// The most that can be written, in bytes.
    var maximumCount: Int {
        switch self {
        case .value: SecretValue.maximumCount
        // 64 of each kind, the paths as long as they can be.
        case .callers: 1_048_576
        // 1,000 grants to the longest names.
        case .grants: 262_144
        default: 4096
        }
    }
}
