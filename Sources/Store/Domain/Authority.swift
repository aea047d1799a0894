package import Secrets

/// The store's own certificate authority, as a record keeps it. What certificates are is for others to know.
package struct Authority: Sendable {
    /// The scalar of its private key (P-256), 32 bytes.
    package let key: SecretValue
    /// What clients trust: an X.509 certificate (DER).
    package let certificate: [UInt8]

    package static let keyCount = 32
    package static let maximumCertificateCount = 8192

    /// - Precondition: `key` has 32 bytes, `certificate` 1 to 8,192.
    package init(key: SecretValue, certificate: [UInt8]) {
        precondition(key.count == Self.keyCount)
        precondition((1...Self.maximumCertificateCount).contains(certificate.count))
        self.key = key
        self.certificate = certificate
    }

    /// The key and then the certificate.
    fileprivate init(_ record: SecretValue) throws(SealError) {
        let length = record.count - Self.keyCount
        guard (1...Self.maximumCertificateCount).contains(length) else { throw .malformed }
        key = try record.withBytes { bytes throws(SealError) in
            try .sealing(capacity: Self.keyCount) { span throws(SealError) in
                span.append(copying: bytes.extracting(first: Self.keyCount))
            }
        }
        certificate = record.withBytes { bytes in (Self.keyCount..<bytes.byteCount).map { bytes.byte(at: $0) }
        }
    }

    fileprivate func record() throws(SealError) -> SecretValue {
        try .sealing(capacity: Self.keyCount + certificate.count) { span throws(SealError) in
            key.withBytes { span.append(copying: $0) }
            for byte in certificate { unsafe span.append(byte, as: UInt8.self) }
        }
    }
}

extension SecretStore {
    /// Nil if the store has none yet.
    package func authority() throws(StoreError) -> Authority? {
        guard let record = try sealedRecord(Keys.authority) else { return nil }
        do { return try Authority(record) } catch { throw .damaged(record: Keys.authority.text) }
    }

    /// Keeps `new`, unless the store has an authority meanwhile.
    ///
    /// - Returns: the one that the store has.
    package func keep(_ new: Authority) throws(StoreError) -> Authority {
        let key = Keys.authority
        return try retrying("the certificate authority") { () throws(StoreError) in
            if let present = try authority() { return present }
            let record = try sealing { _ throws(SealError) in try new.record() }
            var random = RandomBlock()
            let sealed = try seal(record, under: key, &random)
            try commit(
                if: [.absent(key)], then: [.put(key, sealed)],
                recording: [AuditEvent(.authorityCreate, by: AuditActor(changingAs: .thisProcess))])
            return new
        }
    }
}
