import FoundationEssentials
package import Secrets
package import Store
import Synchronization

/// How values travel to a node: sealed to its own key, so that whoever ends TLS on the way sees nothing.
///
/// HPKE (RFC 9180) in its export-only mode, X25519 and HKDF-SHA256, gives each batch of values a key that only the node
/// can find; the values are sealed by it as records are, with XAES-256-GCM. HPKE's own sealing would have plaintext in
/// memory that is not locked and not wiped.
enum NodeSealing {
    private static let exporter = Array("secretfs value key 1".utf8)

    /// What an HPKE context is bound to: the fields `secretfs node 1`, the node's id, the algorithm, each after its
    /// length (4 bytes, big-endian).
    static func info(_ node: UUID, _ algorithm: AlgorithmName) -> [UInt8] {
        fields([Array("secretfs node 1".utf8), bytes(of: node), Array(algorithm.description.utf8)])
    }

    /// What a value is bound to besides: the secret's id, its version, when that was made.
    static func data(_ held: HeldVersion) -> [UInt8] {
        var rest: [UInt8] = []
        append(UInt64(held.version.number), to: &rest)
        append(UInt64(bitPattern: held.modified.seconds), to: &rest)
        append(UInt64(held.modified.nanoseconds), to: &rest)
        return fields([bytes(of: held.secret), rest])
    }

    static func cipher(_ context: HPKE) throws(SealError) -> XAES256GCM {
        try context.export(exporter, count: XAES256GCM.keyCount).withBytes { key throws(SealError) in
            try XAES256GCM(key: key)
        }
    }

    private static func fields(_ fields: [[UInt8]]) -> [UInt8] {
        var all: [UInt8] = []
        for field in fields {
            for shift in [24, 16, 8, 0] { all.append(UInt8(truncatingIfNeeded: field.count >> shift)) }
            all += field
        }
        return all
    }

    private static func append(_ number: UInt64, to bytes: inout [UInt8]) {
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(shift)))
        }
    }

    private static func bytes(of id: UUID) -> [UInt8] {
        unsafe withUnsafeBytes(of: id.uuid) { unsafe Array($0) }
    }
}

/// Seals the values of one algorithm, which are sent together, to one node.
package struct BatchSealer: Sendable {
    /// The HPKE encapsulated key, 32 bytes: whoever has the node's key finds the batch's by it.
    package let encapsulated: [UInt8]
    private let cipher: XAES256GCM

    package init(to node: Node, for algorithm: AlgorithmName) throws(SealError) {
        let context = try HPKE(to: node.sealingKey, info: NodeSealing.info(node.id, algorithm))
        encapsulated = context.encapsulated
        cipher = try NodeSealing.cipher(context)
    }

    /// - Returns: nonce (24 bytes) ‖ ciphertext ‖ tag (16).
    package func seal(_ value: SecretValue, as held: HeldVersion) throws(SealError) -> [UInt8] {
        var nonce = SystemRandomNumberGenerator()
        let head = (0..<XAES256GCM.nonceCount).map { _ in UInt8.random(in: 0...255, using: &nonce) }
        let data = NodeSealing.data(held)
        let capacity = head.count + value.count + XAES256GCM.tagCount
        return try value.withBytes { plaintext throws(SealError) in
            try [UInt8](capacity: capacity) { span throws(SealError) in
                for byte in head { span.append(byte) }
                try cipher.seal(
                    plaintext, nonce: unsafe head.span.bytes, authenticating: unsafe data.span.bytes,
                    into: &span)
            }
        }
    }
}

/// A node's own key, which opens what is sealed to it. `forget` makes it as if it had never been here.
@safe package final class NodeKey: Sendable {
    private let node: UUID
    private let key: Mutex<SecretValue?>

    package init(_ membership: Membership) {
        node = membership.id
        key = Mutex(membership.sealingKey)
    }

    /// A new one.
    ///
    /// - Returns: the private key, 32 bytes, and the public one.
    package static func make() throws -> (key: SecretValue, publicKey: [UInt8]) {
        let key = try X25519.newKey()
        return (key, try X25519.publicKey(of: key))
    }

    package func forget() { key.withLock { $0 = nil } }
    package func restore(_ membership: Membership) { key.withLock { $0 = membership.sealingKey } }

    fileprivate func check() throws(OpenError) {
        if key.withLock({ $0 == nil }) { throw .sealed }
    }

    fileprivate func cipher(_ encapsulated: [UInt8], _ algorithm: AlgorithmName) throws(OpenError)
        -> XAES256GCM
    {
        guard let secret = key.withLock({ $0 }) else { throw .sealed }
        do {
            return try NodeSealing.cipher(
                try HPKE(opening: encapsulated, by: secret, info: NodeSealing.info(node, algorithm)))
        } catch {
            throw .damaged
        }
    }
}

/// What opens the values that were sent together. It keeps their key as long as the node has its own.
@safe package final class ReceivedBatch: Sendable {
    package let encapsulated: [UInt8]
    private let algorithm: AlgorithmName
    private let key: NodeKey
    private let cipher = Mutex<XAES256GCM?>(nil)

    package init(_ encapsulated: [UInt8], for algorithm: AlgorithmName, by key: NodeKey) {
        self.encapsulated = encapsulated
        self.algorithm = algorithm
        self.key = key
    }

    package func forget() { cipher.withLock { $0 = nil } }

    fileprivate func check() throws(OpenError) {
        if cipher.withLock({ $0 == nil }) { try key.check() }
    }

    /// Whether this value is of this batch, and both are for this node.
    package func opens(_ sealed: [UInt8], as held: HeldVersion) -> Bool {
        let count = sealed.count - XAES256GCM.nonceCount - XAES256GCM.tagCount
        let value = try? SecretValue(capacity: max(0, count)) { span in
            try open(sealed, as: held, into: &span)
        }
        return value != nil
    }

    fileprivate func open(
        _ sealed: [UInt8], as held: HeldVersion, into destination: inout OutputRawSpan
    ) throws(OpenError) {
        guard sealed.count >= XAES256GCM.nonceCount + XAES256GCM.tagCount else { throw .damaged }
        let cipher = try cipher.withLock { cipher throws(OpenError) in
            if let cipher { return cipher }
            let found = try key.cipher(encapsulated, algorithm)
            cipher = found
            return found
        }
        let data = NodeSealing.data(held)
        let bytes = unsafe sealed.span.bytes
        do {
            try cipher.open(
                bytes.extracting(XAES256GCM.nonceCount..<bytes.byteCount),
                nonce: bytes.extracting(first: XAES256GCM.nonceCount), authenticating: unsafe data.span.bytes,
                into: &destination)
        } catch {
            throw .damaged
        }
    }
}

/// An entry as a node has it: sealed to the node's key, opened for one open.
package struct NodeEntry: SealedEntry {
    private let held: HeldVersion
    private let sealed: ReceivedValue?
    private let told: EntryDetails?
    private let expires: Timestamp?

    /// - Parameter sealed: nil if the server has none.
    package init(_ entry: LinkEntry, _ sealed: ReceivedValue?) {
        held = entry.held
        self.sealed = sealed
        told = entry.details
        expires = entry.valueExpires
    }

    package func open(into destination: inout OutputRawSpan) throws(OpenError) {
        let value = try usable
        try value.batch.open(value.bytes, as: held, into: &destination)
    }

    package func check() throws(OpenError) { try usable.batch.check() }

    private var usable: ReceivedValue {
        get throws(OpenError) {
            guard let sealed else {
                throw told.map { $0.provider != .internal } ?? false ? .awaited : .damaged
            }
            if let expires, expires <= .now() { throw .awaited }
            return sealed
        }
    }

    package func details() throws(OpenError) -> EntryDetails {
        guard let told else { throw .damaged }
        return told
    }
}

/// A value that was sent, and the batch that it came in.
package struct ReceivedValue: Sendable {
    package let bytes: [UInt8]
    package let batch: ReceivedBatch

    package init(_ bytes: [UInt8], in batch: ReceivedBatch) {
        self.bytes = bytes
        self.batch = batch
    }
}
