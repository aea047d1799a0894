import Fuse
import Secrets
import Synchronization

/// Values that were written become versions.
extension AdminTree {
    /// A new version of a secret that was there when it was opened. The store looks whether it still is.
    func replaceValue(
        of secret: SecretReference, _ id: SecretID, by buffer: SecretBuffer, for actor: AuditActor
    ) throws(Refusal) {
        try asking(at: .file(secret, .value)) { () throws(AdministrationError) in
            try store.carryOut(.replaceValue(secret, id, try value(of: buffer)), by: actor)
        }
    }

    func storeValue(
        _ buffer: SecretBuffer, of secret: SecretReference, _ known: SecretState?, by actor: AuditActor
    ) throws(AdministrationError) {
        let value = try value(of: buffer)
        switch known {
        case .stored(let facts):
            try store.carryOut(.replaceValue(secret, facts.id, value), by: actor)
        case .draft(let settings):
            do {
                try store.carryOut(.createSecret(secret, settings, value), by: actor)
            } catch  where error.reason == .exists && settings.callers.isAnyone {
                // Somebody else wrote its first value meanwhile: this one comes after it. Not where it was to be for
                // some callers only, and the other one is for all.
                try store.carryOut(.replaceValue(secret, try store.secret(secret).id, value), by: actor)
            }
            state.withLock { $0.drafts[secret] = nil }
        case nil: throw AdministrationError(.missing, "no \(secret)")
        }
    }

    private func value(of buffer: SecretBuffer) throws(AdministrationError) -> SecretValue {
        do { return try buffer.value() } catch {
            throw AdministrationError(.noMemory, "no memory can be locked for the value")
        }
    }
}
