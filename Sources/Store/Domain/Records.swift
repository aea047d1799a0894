package import FoundationEssentials
package import Secrets

/// An algorithm as the store keeps it.
package struct Algorithm: Hashable, Sendable {
    package let name: AlgorithmName
    package let id: UUID
    package let created: Timestamp
}

/// A version of a secret: what is known of it without its bytes.
package struct VersionInfo: Hashable, Sendable {
    package let version: Version
    /// The value's length in bytes.
    package let count: Int
    package let created: Timestamp
}

/// A secret as the store keeps it, without its values.
package struct Secret: Hashable, Sendable {
    /// Versions that are kept, the newest included.
    package static let keptVersions = 10

    package let name: EnvironmentName
    package let id: SecretID
    package var displayName: DisplayName
    package var about: Description
    package let provider: ProviderName
    package var delivery: Delivery
    package let created: Timestamp
    /// Of anything but the value; the newest version has its own time.
    package var modified: Timestamp
    /// Oldest first, never empty.
    package var versions: [VersionInfo]

    package var current: VersionInfo { versions[versions.count - 1] }
}

extension Algorithm {
    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .algorithm)
        writer.write(id)
        writer.write(created)
        return writer.bytes
    }

    init(_ name: AlgorithmName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .algorithm)
        self.name = name
        id = try reader.id()
        created = try reader.time()
        try reader.finish()
    }
}

extension Secret {
    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .secret)
        writer.write(id)
        writer.write(UInt8(delivery == .env ? 0 : 1))
        writer.write(created)
        writer.write(modified)
        writer.write(displayName.text)
        writer.write(about.text)
        writer.write(provider.text)
        writer.write(UInt16(versions.count))
        for info in versions {
            writer.write(info.version.number)
            writer.write(UInt32(info.count))
            writer.write(info.created)
        }
        return writer.bytes
    }

    init(_ name: EnvironmentName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .secret)
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
        provider = ProviderName(try reader.text())
        versions = try Self.versions(&reader)
        try reader.finish()
    }

    private static func versions(_ reader: inout RecordReader) throws(RecordFormatError) -> [VersionInfo] {
        let count = try reader.number(UInt16.self)
        var versions: [VersionInfo] = []
        for _ in 0..<count {
            let number = try reader.number(UInt32.self)
            let length = try reader.number(UInt32.self)
            let created = try reader.time()
            let previous = versions.last?.version.number ?? 0
            guard number > previous, length <= SecretValue.maximumCount else { throw .malformed }
            let version = Version(number: number)
            versions.append(VersionInfo(version: version, count: Int(length), created: created))
        }
        guard !versions.isEmpty else { throw .malformed }
        return versions
    }
}
