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
    }
    struct Contents: Sendable {
        var algorithms: Set<AlgorithmName> = []
        var secrets: [SecretReference: Kept] = [:]
        var rules: [AlgorithmName: CallerRule] = [:]
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
            versions: versions)
    }

    func callers(of algorithm: AlgorithmName) throws(AdministrationError) -> CallerRule {
        guard contents.withLock({ $0.algorithms.contains(algorithm) }) else {
            throw AdministrationError(.missing, "no \(algorithm)")
        }
        return contents.withLock { $0.rules[algorithm] } ?? .anyone
    }
    /// Users by number, one a line.
    func callerRule(_ text: String) throws(AdministrationError) -> CallerRule {
        let lines = text.split(separator: "\n")
        let uids = lines.compactMap { $0.hasPrefix("uid ") ? UInt32($0.dropFirst(4)) : nil }
        guard uids.count == lines.count else { throw AdministrationError(.invalid, "no rule") }
        return CallerRule(uids: uids)
    }
    func text(_ rule: CallerRule) -> String { rule.uids.map { "uid \($0)\n" }.joined() }

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
            case .createAlgorithm(let name):
                guard contents.algorithms.insert(name).inserted else {
                    throw AdministrationError(.exists, "\(name) exists")
                }
            case .deleteAlgorithm(let name):
                contents.algorithms.remove(name)
                contents.rules[name] = nil
                contents.secrets = contents.secrets.filter { $0.key.home != .algorithm(name) }
            case .createSecret(let secret, let settings, let value):
                try Self.check(value, secret, settings)
                contents.secrets[secret] = Kept(settings: settings, values: [(value, .user(actor.uid ?? 0))])
            case .replaceValue(let secret, let id, let value):
                guard contents.secrets[secret]?.id == id else { throw AdministrationError(.missing, "gone") }
                if let kept = contents.secrets[secret] { try Self.check(value, secret, kept.settings) }
                contents.secrets[secret]?.values.append((value, .user(actor.uid ?? 0)))
            case .changeSetting(let secret, let change): contents.secrets[secret]?.settings.apply(change)
            case .replaceCallers(let algorithm, let rule): contents.rules[algorithm] = rule
            case .deleteSecret(let secret): contents.secrets[secret] = nil
            }
        }
    }

    private static func check(
        _ value: SecretValue, _ secret: SecretReference, _ settings: SecretSettings
    ) throws(AdministrationError) {
        guard settings.delivery == .env, Delivery.refusal(of: value, as: secret.name) != nil else { return }
        throw AdministrationError(.invalid, "not for a variable")
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
