import Console
import Secrets
import Store

/// Opens what is sealed, which only the root key can.
extension Doctor {
    /// So many damaged records have a finding of their own.
    private static let shownRecords = 20

    /// Asks for nothing: without the root key at hand, it says that nothing was opened.
    func records() -> [Finding] {
        let check = "records"
        let store: SecretStore
        do { store = try options.unlock(isQuiet: true).open() } catch {
            return [
                Finding(
                    check: check, level: .warning,
                    finding: "not opened, so damage in them is not known: \(Failure(any: error).message)",
                    remedy: "with the root key at hand, every record is opened: --passphrase-file FILE, "
                        + "--root-key-file FILE")
            ]
        }
        do {
            let found = try LongWork.during { work in
                try store.damagedRecords(onProgress: work.advanced("opening records"))
            }
            guard found.count > 0 else {
                return [Finding(check: check, level: .ok, finding: "all \(found.total) open")]
            }
            var findings = found.records.prefix(Self.shownRecords).map(finding)
            if found.count > findings.count {
                findings.append(
                    Finding(
                        check: check, level: .problem,
                        finding: "\(found.count - findings.count) more are damaged",
                        remedy: "restore the store from a backup (docs/RECOVERY.md)"))
            }
            return Array(findings)
        } catch {
            let failure = Failure(any: error)
            return [Finding(check: check, level: .problem, finding: failure.message, remedy: failure.hint)]
        }
    }

    private func finding(_ record: DamagedRecords.Record) -> Finding {
        let fromBackup = "restore the store from a backup (docs/RECOVERY.md)"
        guard case .value(let version, let name, let home, let versions) = record.subject else {
            return Finding(
                check: "records", level: .problem,
                finding: "\(printable(record.key, atMost: 512)) is damaged",
                remedy: fromBackup)
        }
        let remedy: String
        if version != versions.last {
            remedy = "secretfs secret destroy \(home) \(name) --version \(version), or \(fromBackup)"
        } else if let older = versions.dropLast().last {
            remedy = """
                an older value: secretfs secret rollback \(home) \(name) --to \(older); a new one: \
                secretfs secret update \(home) \(name); or \(fromBackup)
                """
        } else {
            remedy = "a new value: secretfs secret update \(home) \(name); or \(fromBackup)"
        }
        return Finding(
            check: "records", level: .problem,
            finding:
                "version \(version) of \(name) of \(home) is damaged (\(printable(record.key, atMost: 512)))",
            remedy: remedy)
    }
}
