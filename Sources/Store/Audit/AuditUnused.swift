package import Secrets

/// A secret that nobody has read for a while.
package struct UnusedSecret: Sendable {
    package let home: SecretHome
    package let secret: Secret
    /// Nil: not since the log begins.
    package let lastRead: Timestamp?
}

package struct UnusedSecrets: Sendable {
    package let secrets: [UnusedSecret]
    /// Reads before this are not known; nil for an empty log.
    package let knownSince: Timestamp?
}

extension SecretStore {
    /// The secrets that were there at `moment` and that nobody has opened since, by the audit log as it is.
    ///
    /// An open of `.environ` reads every variable that the algorithm sees.
    package func unusedSecrets(since moment: Timestamp) throws(StoreError) -> UnusedSecrets {
        let reads = try auditReads()
        var last = reads.bySecret
        var homes: [(SecretHome, [Secret])] = []
        var owners: Set<String> = []
        for algorithm in try algorithms() {
            homes.append((.algorithm(algorithm.name), try secrets(of: .algorithm(algorithm.name))))
            if owners.insert(algorithm.name.owner).inserted,
                let owner = try? OwnerName(algorithm.name.owner)
            {
                homes.append((.owner(owner), try secrets(of: .owner(owner))))
            }
            guard let environ = reads.environs[algorithm.name.description] else { continue }
            for candidate in try candidates(for: algorithm.name)
            where candidate.state == .visible && candidate.secret.delivery == .env {
                let secret = candidate.secret
                guard environ >= secret.created else { continue }
                let id = secret.id.lowercaseText
                last[id] = max(last[id] ?? environ, environ)
            }
        }
        var unused: [UnusedSecret] = []
        for (home, secrets) in homes.sorted(by: { $0.0 < $1.0 }) {
            for secret in secrets where secret.created < moment {
                let read = last[secret.id.lowercaseText]
                if let read, read >= moment { continue }
                unused.append(UnusedSecret(home: home, secret: secret, lastRead: read))
            }
        }
        return UnusedSecrets(secrets: unused, knownSince: reads.first)
    }

    private func auditReads() throws(StoreError) -> Reads {
        var reads = Reads()
        try auditing { () throws(AuditError) in
            _ = try AuditReader(at: audit.folder.path).forEach { _, _, _, record in
                if let record { reads.add(record) }
                return true
            }
        }
        return reads
    }
}

/// When what was last opened.
private struct Reads {
    /// By the id of the secret.
    var bySecret: [String: Timestamp] = [:]
    /// `.environ`, by algorithm.
    var environs: [String: Timestamp] = [:]
    var first: Timestamp?

    mutating func add(_ record: AuditRecord) {
        first = first ?? record.time
        guard record.texts[.outcome] == AuditEvent.Outcome.ok.rawValue else { return }
        switch record.texts[.action] {
        case AuditAction.open.rawValue:
            guard let id = record.texts[.id] else { return }
            bySecret[id] = max(bySecret[id] ?? record.time, record.time)
        case AuditAction.environ.rawValue:
            guard let name = record.texts[.algorithm] else { return }
            environs[name] = max(environs[name] ?? record.time, record.time)
        default: return
        }
    }
}
