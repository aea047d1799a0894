package import FoundationEssentials
package import Secrets

/// A user of the API and of the web pages, as the store keeps it.
package struct User: Hashable, Sendable {
    package static let maximumRoles = 256
    package static let maximumKeys = 100

    package let name: UserName
    /// Random: who is made again under a name is another, whom sessions and keys of the one before do not fit.
    package let id: UUID
    package let created: Timestamp
    package internal(set) var modified: Timestamp
    /// In order, each once.
    package internal(set) var roles: [Role]
    package internal(set) var isDisabled = false
    /// Grows when sessions have to end.
    var epoch: UInt64 = 0
    /// Nil for one that has only API keys.
    var verifier: PasswordVerifier?

    package var hasPassword: Bool { verifier != nil }
    package var stamp: SessionStamp { SessionStamp(user: id, epoch: epoch) }

    /// What this user may do now: nothing if it is disabled.
    func principal(key: APIKey? = nil) -> Principal? {
        guard !isDisabled else { return nil }
        return Principal(
            user: name, roles: roles, key: key?.id, isReadOnly: key?.isReadOnly ?? false, stamp: stamp)
    }
}

extension User {
    private static let disabledFlag: UInt8 = 1
    private static let passwordFlag: UInt8 = 2

    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .user)
        writer.write(id)
        writer.write(created)
        writer.write(modified)
        writer.write((isDisabled ? Self.disabledFlag : 0) | (hasPassword ? Self.passwordFlag : 0))
        writer.write(epoch)
        writer.write(roles) { $0.write($1.description) }
        if let verifier { writer.write(verifier) }
        return writer.bytes
    }

    init(_ name: UserName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .user)
        self.name = name
        id = try reader.id()
        created = try reader.time()
        modified = try reader.time()
        let flags = try reader.number(UInt8.self)
        guard flags <= Self.disabledFlag | Self.passwordFlag else { throw .malformed }
        isDisabled = flags & Self.disabledFlag != 0
        epoch = try reader.number(UInt64.self)
        let roles = try reader.list { reader throws(RecordFormatError) in try reader.role() }
        guard Self.inOrder(roles) == roles, roles.count <= Self.maximumRoles else { throw .malformed }
        self.roles = roles
        verifier = flags & Self.passwordFlag != 0 ? try reader.verifier() : nil
        try reader.finish()
    }

    /// As a record has them.
    static func inOrder(_ roles: some Sequence<Role>) -> [Role] { Set(roles).sorted() }
}

extension RecordReader {
    fileprivate mutating func role() throws(RecordFormatError) -> Role {
        guard let role = try? Role(text()) else { throw .malformed }
        return role
    }
}
