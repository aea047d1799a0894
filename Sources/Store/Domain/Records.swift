package import FoundationEssentials
package import Secrets

/// An algorithm as the store keeps it.
package struct Algorithm: Hashable, Sendable {
    package let name: AlgorithmName
    package let id: UUID
    package let created: Timestamp
    /// Who may open its files; every secret may narrow it.
    package var callers: CallerRule = .anyone
    /// The users who may have it mounted and run, besides root and the agent's own.
    package var mounters = UserList()
}

/// A version of a secret: what is known of it without its bytes.
package struct VersionInfo: Hashable, Sendable {
    package let version: Version
    /// The value's length in bytes.
    package let count: Int
    package let created: Timestamp
    package let actor: Actor
}

/// A secret as the store keeps it, without its values.
package struct Secret: Hashable, Sendable {
    /// Versions that are kept where nothing else is said, the newest included.
    package static let keptVersions = 10
    package static let keptVersionsRange = 1...100
    package static let maximumGrants = 1000

    package let name: EnvironmentName
    package let id: SecretID
    package var displayName: DisplayName
    package var about: Description
    /// Of an external secret; nil: the value is in this store.
    package internal(set) var origin: SecretOrigin?
    package var delivery: Delivery
    package let created: Timestamp
    /// Of anything but the value; the newest version has its own time.
    package var modified: Timestamp
    /// How many versions are kept, the newest included.
    package var kept = Secret.keptVersions
    package var validity: Validity = .always
    /// Who may open it, of those whom the algorithm's rule lets.
    package var callers: CallerRule = .anyone
    /// The algorithms that see it besides its own; only a secret of an owner has any. In order.
    package var grants: [Grantee] = []
    /// Oldest first, never empty. Of an external secret they are empty values, and count what it referred to.
    package var versions: [VersionInfo]

    package var current: VersionInfo { versions[versions.count - 1] }
    package var provider: ProviderName { origin?.provider ?? .internal }
}

extension Algorithm {
    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .algorithm)
        writer.write(id)
        writer.write(created)
        writer.write(callers)
        writer.write(mounters)
        return writer.bytes
    }

    init(_ name: AlgorithmName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .algorithm)
        self.name = name
        id = try reader.id()
        created = try reader.time()
        callers = try reader.callerRule()
        mounters = try reader.users()
        try reader.finish()
    }
}

extension Secret {
    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: origin == nil ? .secret : .externalSecret)
        writer.write(id)
        writer.write(UInt8(delivery == .env ? 0 : 1))
        writer.write(created)
        writer.write(modified)
        writer.write(displayName.text)
        writer.write(about.text)
        writer.write(provider.text)
        writer.write(UInt16(kept))
        writer.write(validity)
        writer.write(callers)
        writer.write(grants) { $0.write($1.description) }
        writer.write(versions) { writer, info in
            writer.write(info.version.number)
            writer.write(UInt32(info.count))
            writer.write(info.created)
            writer.write(info.actor.text)
        }
        if let origin { writer.write(origin) }
        return writer.bytes
    }

    init(_ name: EnvironmentName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var (reader, kind) = try RecordReader.anyKind(bytes)
        guard [RecordKind.secret, .externalSecret].map(\.rawValue).contains(kind) else { throw .malformed }
        self.name = name
        id = try reader.id()
        switch try reader.number(UInt8.self) {
        case 0: delivery = .env
        case 1: delivery = .file
        default: throw .malformed
        }
        created = try reader.time()
        modified = try reader.time()
        guard let displayName = try? DisplayName(reader.text()), let about = try? Description(reader.text())
        else { throw .malformed }
        self.displayName = displayName
        self.about = about
        guard let provider = try? ProviderName(reader.text()) else { throw .malformed }
        kept = Int(try reader.number(UInt16.self))
        guard Self.keptVersionsRange.contains(kept) else { throw .malformed }
        validity = try reader.validity()
        callers = try reader.callerRule()
        grants = try reader.list { reader throws(RecordFormatError) in try reader.grantee() }
        versions = try Self.versions(&reader)
        if kind == RecordKind.externalSecret.rawValue { origin = try reader.origin(at: provider) }
        guard self.provider == provider else { throw .malformed }
        try reader.finish()
    }

    private static func versions(_ reader: inout RecordReader) throws(RecordFormatError) -> [VersionInfo] {
        let count = try reader.number(UInt16.self)
        var versions: [VersionInfo] = []
        for _ in 0..<count {
            let number = try reader.number(UInt32.self)
            let length = try reader.number(UInt32.self)
            let created = try reader.time()
            let actor = try reader.actor()
            let previous = versions.last?.version.number ?? 0
            guard number > previous, length <= SecretValue.maximumCount else { throw .malformed }
            let version = Version(number: number)
            versions.append(VersionInfo(version: version, count: Int(length), created: created, actor: actor))
        }
        guard !versions.isEmpty else { throw .malformed }
        return versions
    }
}
