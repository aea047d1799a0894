package import FoundationEssentials
package import Secrets

/// An external secret store, as this store knows it: how it is reached and how often it is asked. Its settings are records
/// of their own, sealed like values.
package struct ExternalProvider: Hashable, Sendable {
    /// In seconds: how often a value is asked for again.
    package static let defaultInterval: UInt32 = 60
    package static let intervals: ClosedRange<UInt32> = 5...86_400
    /// In seconds: how long a value is opened that its provider has not confirmed.
    package static let defaultMaximumAge: UInt32 = 86_400
    package static let maximumAges: ClosedRange<UInt32> = 60...30 * 86_400

    package let name: ProviderName
    package let id: UUID
    package let kind: ProviderKind
    package internal(set) var about: Description
    package let created: Timestamp
    /// Of what is said of it, and of its settings.
    package internal(set) var modified: Timestamp
    package internal(set) var interval: UInt32
    package internal(set) var maximumAge: UInt32
    /// The names of those of its kind's settings that it has a value for, ascending.
    package internal(set) var settings: [String]
}

/// What of a provider is to be changed; nil and empty: as it is.
package struct ProviderUpdate: Sendable {
    package var about: Description?
    package var interval: UInt32?
    package var maximumAge: UInt32?
    package var set = ProviderConfiguration()
    package var unset: Set<String> = []

    package init() {}
}

extension ExternalProvider {
    func encoded() -> [UInt8] {
        var writer = RecordWriter(kind: .provider)
        writer.write(id)
        writer.write(kind.rawValue)
        writer.write(about.text)
        writer.write(created)
        writer.write(modified)
        writer.write(interval)
        writer.write(maximumAge)
        writer.write(settings) { $0.write($1) }
        return writer.bytes
    }

    init(_ name: ProviderName, decoding bytes: [UInt8]) throws(RecordFormatError) {
        var reader = try RecordReader(bytes, kind: .provider)
        self.name = name
        id = try reader.id()
        guard let kind = ProviderKind(rawValue: try reader.text()),
            let about = try? Description(reader.text())
        else { throw .malformed }
        (self.kind, self.about) = (kind, about)
        created = try reader.time()
        modified = try reader.time()
        interval = try reader.number(UInt32.self)
        maximumAge = try reader.number(UInt32.self)
        settings = try reader.list { reader throws(RecordFormatError) in try reader.text() }
        guard Self.intervals.contains(interval), Self.maximumAges.contains(maximumAge),
            Set(settings).sorted() == settings, Set(kind.settings.map(\.name)).isSuperset(of: settings)
        else { throw .malformed }
        try reader.finish()
    }
}

extension RecordWriter {
    mutating func write(_ origin: SecretOrigin) {
        write(origin.reference.description)
        write(origin.version?.text ?? "")
        write(origin.interval ?? 0)
        write(UInt8(origin.isWritten ? 1 : 0))
    }
}

extension RecordReader {
    mutating func origin(at provider: ProviderName) throws(RecordFormatError) -> SecretOrigin {
        guard let reference = try? ProviderReference(text()) else { throw .malformed }
        let version = try text()
        let interval = try number(UInt32.self)
        let flags = try number(UInt8.self)
        guard flags <= 1, version.isEmpty || ProviderVersion(version) != nil,
            interval == 0 || ExternalProvider.intervals.contains(interval)
        else { throw .malformed }
        return SecretOrigin(
            provider: provider, reference: reference, version: ProviderVersion(version),
            interval: interval == 0 ? nil : interval, isWritten: flags == 1)
    }
}
