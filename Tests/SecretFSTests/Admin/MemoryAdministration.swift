import FoundationEssentials
import Fuse
import Secrets
import Synchronization

@testable import SecretFS

/// A store in memory for tests of the handlers; it keeps values, so that tests can look at them.
final class MemoryAdministration: Administration {
    struct Kept: Sendable {
        var id = SecretID()
        var settings: SecretSettings
        var values: [(SecretValue, Actor)]
        var grants: [Grantee] = []
    }
    struct Contents: Sendable {
        var algorithms: Set<AlgorithmName> = []
        var secrets: [SecretReference: Kept] = [:]
        var denials: [SecretReference] = []
        var strangers: [AuditActor] = []
        var failure: AdministrationError?
    }
    let contents = Mutex(Contents())

    func owners() throws(AdministrationError) -> [OwnerName] {
        Set(contents.withLock { $0.algorithms.map(\.owner) }).compactMap { try? OwnerName($0) }.sorted()
    }
    func hasOwner(_ owner: OwnerName) throws(AdministrationError) -> Bool {
        try owners().contains(owner)
    }
    func algorithms(of owner: OwnerName) throws(AdministrationError) -> [AlgorithmName] {
        contents.withLock { $0.algorithms.filter { $0.owner == owner.text }.sorted() }
    }
    func hasAlgorithm(_ name: AlgorithmName) throws(AdministrationError) -> Bool {
        contents.withLock { $0.algorithms.contains(name) }
    }
    func secrets(of home: SecretHome) throws(AdministrationError) -> [EnvironmentName] {
        contents.withLock { $0.secrets.keys.filter { $0.home == home }.map(\.name).sorted() }
    }
    func moment(_ text: String) throws(AdministrationError) -> Timestamp {
        guard let seconds = Int64(text) else { throw AdministrationError(.invalid, "no number") }
        return Timestamp(seconds: seconds, nanoseconds: 0)
    }

    func secret(_ secret: SecretReference) throws(AdministrationError) -> SecretFacts {
        guard let kept = contents.withLock({ $0.secrets[secret] }) else {
            throw AdministrationError(.missing, "no \(secret)")
        }
        let moment = Timestamp(seconds: 1000, nanoseconds: 0)
        let versions = kept.values.enumerated().map { index, value in
            SecretFacts.Version(
                version: Version(number: UInt32(index) + 1), count: value.0.count, created: moment,
                actor: value.1)
        }
        return SecretFacts(
            id: kept.id, settings: kept.settings, provider: .internal, created: moment, modified: moment,
            callers: .anyone, grants: kept.grants, versions: versions)
    }

    func recordDenial(_ what: String, to actor: AuditActor) {
        contents.withLock { $0.strangers.append(actor) }
    }
    func recordDenial(of secret: SecretReference, to actor: AuditActor) {
        contents.withLock { $0.denials.append(secret) }
    }

    func carryOut(_ change: AdministrativeChange, by actor: AuditActor) throws(AdministrationError) {
        try contents.withLock { contents throws(AdministrationError) in
            if let failure = contents.failure { throw failure }
            switch change {
            case .createAlgorithm(let name): contents.algorithms.insert(name)
            case .deleteAlgorithm(let name): contents.algorithms.remove(name)
            case .createSecret(let secret, let settings, let value):
                contents.secrets[secret] = Kept(settings: settings, values: [(value, .user(actor.uid ?? 0))])
            case .replaceValue(let secret, let id, let value):
                guard contents.secrets[secret]?.id == id else { throw AdministrationError(.missing, "gone") }
                contents.secrets[secret]?.values.append((value, .user(actor.uid ?? 0)))
            case .changeSetting(let secret, let change): contents.secrets[secret]?.settings.apply(change)
            case .replaceGrants(let owner, let name, let grantees):
                let secret = SecretReference(home: .owner(owner), name: name)
                contents.secrets[secret]?.grants = grantees
            case .deleteSecret(let secret): contents.secrets[secret] = nil
            }
        }
    }

    /// All versions of a secret, oldest first.
    func values(_ secret: SecretReference) -> [[UInt8]] {
        (contents.withLock { $0.secrets[secret] }?.values ?? []).map { value, _ in
            value.withBytes { bytes in
                (0..<bytes.byteCount).map { bytes.unsafeLoad(fromByteOffset: $0, as: UInt8.self) }
            }
        }
    }
}
