import Secrets
import Store

/// The rules of visibility in a form small enough to be obviously right: plain sets, looked through from the start.
struct VisibilityModel {
    struct Held: Equatable {
        var value: String
        var validity: Validity = .always
        var grants: Set<Grantee> = []
    }
    var algorithms: Set<AlgorithmName> = []
    var secrets: [SecretHome: [EnvironmentName: Held]] = [:]

    /// Who stands before whom: the first home that has a secret of this name for the algorithm decides.
    func homes(for name: AlgorithmName) -> [SecretHome] {
        let owners = secrets.keys.filter { if case .owner = $0 { true } else { false } }.sorted()
        let mine = owners.filter { $0.description == name.owner }
        return [.algorithm(name)] + mine + owners.filter { $0.description != name.owner }
    }

    func isGranted(_ held: Held, from home: SecretHome, to name: AlgorithmName) -> Bool {
        switch home {
        case .algorithm(let own): own == name
        case .owner:
            held.grants.contains { grantee in
                switch grantee {
                case .algorithm(let one): one == name
                case .all(let owner): owner.text == name.owner
                }
            }
        }
    }

    func visible(to name: AlgorithmName, at moment: Timestamp) -> [String: String] {
        var found: [EnvironmentName: Held] = [:]
        for home in homes(for: name) {
            for (secret, held) in secrets[home] ?? [:] where found[secret] == nil {
                if isGranted(held, from: home, to: name) { found[secret] = held }
            }
        }
        let valid = found.filter { $0.value.validity.contains(moment) }
        return Dictionary(uniqueKeysWithValues: valid.map { ($0.key.text, $0.value.value) })
    }

    mutating func delete(_ name: AlgorithmName) {
        algorithms.remove(name)
        secrets[.algorithm(name)] = nil
        for (home, held) in secrets {
            for secret in held.keys { secrets[home]?[secret]?.grants.remove(.algorithm(name)) }
        }
    }
}
