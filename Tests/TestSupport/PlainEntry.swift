import FoundationEssentials
package import Secrets

/// Stands in for the store: an entry whose "sealed" bytes are plain. Sealing is tested in StoreTests.
package struct PlainEntry: SealedEntry {
    let bytes: [UInt8]
    var isDamaged = false

    package func open(into destination: inout OutputRawSpan) throws(OpenError) {
        if isDamaged { throw .damaged }
        for byte in bytes { destination.append(byte) }
    }
    package func check() {}
    package func details() throws(OpenError) -> EntryDetails {
        guard let name = try? DisplayName("a name"), let about = try? Description("about it") else {
            throw .damaged
        }
        return EntryDetails(displayName: name, description: about, provider: .internal)
    }
}

extension Entry {
    package static func plain(
        _ name: String, _ bytes: [UInt8], version: UInt32 = 1, delivery: Delivery = .env,
        secret: SecretID = SecretID(), isDamaged: Bool = false, callers: [CallerRule] = [],
        expires: Timestamp? = nil
    ) throws -> Entry {
        Entry(
            name: try EnvironmentName(name), secret: secret, version: Version(number: version),
            delivery: delivery, count: bytes.count, modified: Timestamp(seconds: 1_000, nanoseconds: 5),
            sealed: PlainEntry(bytes: bytes, isDamaged: isDamaged), callers: callers, expires: expires)
    }
}

extension AlgorithmView {
    package static func of(_ entries: [Entry], generation: UInt64 = 1) -> AlgorithmView {
        AlgorithmView(
            generation: generation, modified: Timestamp(seconds: 1_000, nanoseconds: 5),
            entries: entries.sorted { $0.name < $1.name })
    }
}
