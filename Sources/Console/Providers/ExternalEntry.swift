import Secrets
import Store
import Synchronization

/// The key that seals what providers gave while it is in memory. Made anew by each agent, and forgotten when it is sealed.
final class ExternalKey: Sendable {
    private let sealer: Mutex<RecordSealer?>

    init() throws(KeyringError) { sealer = Mutex(RecordSealer(try Keyring.create())) }

    func forget() { sealer.withLock { $0 = nil } }

    /// - Throws: `.sealed` when it was forgotten.
    func current() throws(SealError) -> RecordSealer {
        guard let sealer = sealer.withLock({ $0 }) else { throw .sealed }
        return sealer
    }
}

/// A value that a provider gave, sealed.
struct SealedExternal: Sendable {
    private let key: ExternalKey
    private let place: RecordKey
    private let bytes: [UInt8]
    let hasNUL: Bool

    init(_ value: SecretValue, answering question: UInt64, by key: ExternalKey) throws(SealError) {
        self.key = key
        place = RecordKey("external/\(question)")
        let (sealer, place) = (try key.current(), place)
        bytes = try value.withBytes { bytes throws(SealError) in try sealer.seal(bytes, under: place) }
        hasNUL = value.hasNUL
    }

    func check() throws(OpenError) {
        do { _ = try key.current() } catch { throw .sealed }
    }

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        do throws(SealError) {
            try key.current().open(bytes.span, under: place, into: &destination)
        } catch {
            throw error == .sealed ? .sealed : .damaged
        }
    }
}

/// What a mount opens of an external secret.
struct ExternalEntry: SealedEntry {
    let value: SealedExternal
    /// From this moment on the provider does not want it used.
    let expires: Timestamp?
    /// The secret as the store has it.
    let secret: any SealedEntry

    func open(into destination: inout OutputRawSpan) throws(OpenError) {
        try checkTime()
        try value.open(into: &destination)
    }
    func check() throws(OpenError) {
        try checkTime()
        try value.check()
    }
    private func checkTime() throws(OpenError) {
        if let expires, expires <= .now() { throw .awaited }
    }
    func details() throws(OpenError) -> EntryDetails { try secret.details() }
}
