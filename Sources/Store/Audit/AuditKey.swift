import Secrets

/// What the lines of a store's audit log are authenticated by. It is made with the store and never changes: it lies
/// in storage as a record, which a rotation seals anew like any other.
package struct AuditKey: Sendable {
    /// 32 bytes: HKDF of the record's.
    let bytes: SecretValue

    private static let recordCount = 32

    /// Draws a new one.
    ///
    /// - Returns: the key, and the record to put under `Keys.auditKey`.
    static func create(_ sealer: RecordSealer) throws(SealError) -> (AuditKey, [UInt8]) {
        let material = try SecretValue.sealing(capacity: recordCount) { span throws(SealError) in
            try span.append(randomBytes: recordCount)
        }
        let record = try material.withBytes { bytes throws(SealError) in
            try sealer.seal(bytes, under: Keys.auditKey)
        }
        return (try AuditKey(deriving: material), record)
    }

    init(opening record: [UInt8], _ sealer: RecordSealer) throws(SealError) {
        let material = try sealer.open(record.span, under: Keys.auditKey)
        guard material.count == Self.recordCount else { throw .malformed }
        self = try AuditKey(deriving: material)
    }

    init(deriving material: SecretValue) throws(SealError) {
        let info = Array("secretfs audit 1".utf8)
        let salt: [UInt8] = []
        bytes = try material.withBytes { material throws(SealError) in
            unsafe try hkdf(material, salt: salt.span.bytes, info: info.span.bytes, count: 32)
        }
    }
}
