internal import CLinux
internal import Glibc
import Secrets

extension AuditFolder {
    /// Makes `audit.log` where there is none, with `events` in it; never there without them.
    ///
    /// - Returns: the new file, locked and durable; nil if there is one meanwhile.
    func begin(
        _ events: [AuditEvent], following link: inout AuditLink, _ key: AuditMAC
    ) throws(AuditError) -> AuditFile? {
        let name = draftName()
        let file = try draft(name, events, following: &link, key)
        defer { unsafe unlink(name) }
        guard unsafe Glibc.link(name, current) == 0 else {
            guard errno == EEXIST else { throw AuditError(errno, current) }
            return nil
        }
        try sync()
        return file
    }

    func draftName() -> String { path + "/.audit-new-" + String(UInt64.random(in: 0...(.max)), radix: 16) }

    /// A new file under the name `name`, locked and durable.
    func draft(
        _ name: String, _ events: [AuditEvent], following link: inout AuditLink, _ key: AuditMAC
    ) throws(AuditError) -> AuditFile {
        var lines = AuditLineWriter()
        let now = Timestamp.now()
        for (index, event) in events.enumerated() {
            do { try lines.append(event, at: now, following: &link, isFresh: index == 0, key) } catch {
                throw .unavailable(path: current, reason: error.description)
            }
        }
        let file = try AuditFile.create(name)
        do {
            // Nobody else knows the name.
            _ = try file.lock(until: 0)
            try file.append(lines.bytes, at: 0)
            try file.sync()
        } catch {
            unsafe unlink(name)
            throw error
        }
        return file
    }
}
