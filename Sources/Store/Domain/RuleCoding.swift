import FoundationEssentials
import Secrets

/// How records hold rules (docs/FORMAT.md#metadata).
extension RecordWriter {
    /// - Precondition: at most 65,535 items.
    mutating func write<Item>(_ items: [Item], _ write: (inout RecordWriter, Item) -> Void) {
        self.write(UInt16(items.count))
        for item in items { write(&self, item) }
    }

    mutating func write(_ validity: Validity) {
        write(UInt8((validity.notBefore == nil ? 0 : 1) | (validity.expires == nil ? 0 : 2)))
        if let notBefore = validity.notBefore { write(notBefore) }
        if let expires = validity.expires { write(expires) }
    }

    mutating func write(_ users: UserList) { write(users.uids) { $0.write($1) } }

    mutating func write(_ rule: CallerRule) {
        write(rule.uids) { $0.write($1) }
        write(rule.gids) { $0.write($1) }
        write(rule.executables) { writer, executable in
            writer.write(executable.path)
            writer.write(executable.sha256 ?? []) { $0.write($1) }
        }
        write(rule.cgroups) { $0.write($1) }
    }
}

extension RecordReader {
    mutating func list<Item>(
        _ item: (inout RecordReader) throws(RecordFormatError) -> Item
    ) throws(RecordFormatError) -> [Item] {
        let count = try number(UInt16.self)
        var items: [Item] = []
        for _ in 0..<count { items.append(try item(&self)) }
        return items
    }

    mutating func validity() throws(RecordFormatError) -> Validity {
        let flags = try number(UInt8.self)
        guard flags <= 3 else { throw .malformed }
        let notBefore = flags & 1 == 0 ? nil : try time()
        let expires = flags & 2 == 0 ? nil : try time()
        return Validity(notBefore: notBefore, expires: expires)
    }

    mutating func callerRule() throws(RecordFormatError) -> CallerRule {
        let uids = try list { reader throws(RecordFormatError) in try reader.number(UInt32.self) }
        let gids = try list { reader throws(RecordFormatError) in try reader.number(UInt32.self) }
        let executables = try list { reader throws(RecordFormatError) in try reader.executable() }
        let cgroups = try list { reader throws(RecordFormatError) in try reader.text() }
        return CallerRule(uids: uids, gids: gids, executables: executables, cgroups: cgroups)
    }

    /// As it is written: ascending, each once, not more than there may be.
    mutating func users() throws(RecordFormatError) -> UserList {
        let uids = try list { reader throws(RecordFormatError) in try reader.number(UInt32.self) }
        let users = UserList(uids)
        guard users.uids == uids, uids.count <= UserList.maximumCount else { throw .malformed }
        return users
    }

    private mutating func executable() throws(RecordFormatError) -> CallerRule.Executable {
        let path = try text()
        let hash = try list { reader throws(RecordFormatError) in try reader.number(UInt8.self) }
        guard hash.isEmpty || hash.count == 32 else { throw .malformed }
        return CallerRule.Executable(path: path, sha256: hash.isEmpty ? nil : hash)
    }

    mutating func grantee() throws(RecordFormatError) -> Grantee {
        guard let grantee = try? Grantee(text()) else { throw .malformed }
        return grantee
    }

    mutating func actor() throws(RecordFormatError) -> Actor {
        guard let actor = Actor(try text()) else { throw .malformed }
        return actor
    }
}
