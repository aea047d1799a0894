package import Crypto
import Foundation
package import NIOSSL
package import Secrets
package import SwiftASN1
package import X509

/// The certificates of nodes: what is asked for, and the forms of their keys.
package enum NodeCertificates {
    /// What both sides of a link say that they speak (RFC 7301).
    package static let applicationProtocol = "secretfs-node/1"

    /// A new key and the request for its certificate (PKCS #10, DER). Who the node is, the server knows.
    package static func request() throws -> (key: SecretValue, request: [UInt8]) {
        let key = P256.Signing.PrivateKey()
        let request = try CertificateSigningRequest(
            version: .v1, subject: try DistinguishedName { CommonName("SecretFS node") },
            privateKey: Certificate.PrivateKey(key), attributes: CertificateSigningRequest.Attributes())
        return (try scalar(of: key), try der(request))
    }

    /// The public key that `request` asks a certificate for, and of which it proves that the asker has the private one.
    package static func publicKey(of request: [UInt8]) throws -> Certificate.PublicKey {
        let request = try CertificateSigningRequest(derEncoded: request)
        guard request.publicKey.isValidSignature(request.signature, for: request),
            P256.Signing.PublicKey(request.publicKey) != nil
        else { throw LinkError.badCertificate }
        return request.publicKey
    }

    /// When `certificate` (DER) begins and ends, in seconds since 1970.
    package static func validity(of certificate: [UInt8]) throws -> ClosedRange<Double> {
        let certificate = try Certificate(derEncoded: certificate)
        let (from, until) = (certificate.notValidBefore, certificate.notValidAfter)
        guard from <= until else { throw LinkError.badCertificate }
        return from.timeIntervalSince1970...until.timeIntervalSince1970
    }

    /// The common name of who `certificate` (DER) is for.
    package static func commonName(of certificate: [UInt8]) throws -> String? {
        let subject = try Certificate(derEncoded: certificate).subject
        for part in subject {
            for attribute in part where attribute.type == .RDNAttributeType.commonName {
                return String(describing: attribute.value)
            }
        }
        return nil
    }

    package static func der(_ value: some DERSerializable) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(value)
        return serializer.serializedBytes
    }

    // MARK: Keys, in and out of the libraries' forms

    package static func privateKey(_ scalar: SecretValue) throws -> P256.Signing.PrivateKey {
        try scalar.withBytes { bytes in
            try unsafe bytes.withUnsafeBytes { try unsafe P256.Signing.PrivateKey(rawRepresentation: $0) }
        }
    }

    package static func scalar(of key: P256.Signing.PrivateKey) throws -> SecretValue {
        var raw = Array(key.rawRepresentation)
        defer { unsafe raw.withUnsafeMutableBytes { unsafe wipe($0) } }
        return try SecretValue(copying: unsafe raw.span.bytes)
    }

    package static func nioKey(_ key: P256.Signing.PrivateKey) throws -> NIOSSLPrivateKey {
        var der = Array(key.derRepresentation)
        defer { unsafe der.withUnsafeMutableBytes { unsafe wipe($0) } }
        return try NIOSSLPrivateKey(bytes: der, format: .der)
    }
}

extension NodeCertificates {
    /// Whether `certificate` (DER) is for the public key of `key`.
    package static func isFor(_ certificate: [UInt8], _ key: SecretValue) throws -> Bool {
        let own = Certificate.PublicKey(try privateKey(key).publicKey)
        return try Certificate(derEncoded: certificate).publicKey == own
    }
}
