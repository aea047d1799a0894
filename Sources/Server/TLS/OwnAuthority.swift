import Console
import Crypto
import FoundationEssentials
import Glibc
import Link
import NIOSSL
import Secrets
import Store
import SwiftASN1
import X509

/// The store's own CA: its key is a sealed record, opened for one signature and wiped after it.
enum OwnAuthority {
    /// In days. A certificate is renewed when a third of its time is left.
    private static let authorityDays = 3650.0
    private static let certificateDays = 30.0
    /// Clients whose clocks are behind.
    private static let skew = 3600.0

    struct Issued {
        let identity: TLSIdentity
        let renewal: Timestamp
    }

    /// A certificate for this server, with a key of its own that is nowhere but in this process.
    ///
    /// - Parameter hosts: DNS names and addresses.
    static func issue(from store: SecretStore, for hosts: [String]) throws -> Issued {
        let authority = try store.authority() ?? store.keep(try make())
        let issuer = try Certificate(derEncoded: authority.certificate)
        let key = P256.Signing.PrivateKey()
        let now = Date()
        let extensions = try Certificate.Extensions {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true))
            try ExtendedKeyUsage([.serverAuth])
            SubjectAlternativeNames(try hosts.map(name))
            SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
            AuthorityKeyIdentifier(keyIdentifier: try issuer.extensions.subjectKeyIdentifier?.keyIdentifier)
        }
        let issuerKey = Certificate.PrivateKey(try NodeCertificates.privateKey(authority.key))
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
            notValidBefore: now - skew, notValidAfter: now + certificateDays * 86_400, issuer: issuer.subject,
            subject: try DistinguishedName { CommonName("SecretFS server") },
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions, issuerPrivateKey: issuerKey)
        try store.trail.record([
            AuditEvent(.certificateIssue, by: .thisProcess, detail: "server " + hosts.joined(separator: " "))
        ])
        let chain = [
            try NIOSSLCertificate(bytes: try NodeCertificates.der(certificate), format: .der),
            try NIOSSLCertificate(bytes: authority.certificate, format: .der),
        ]
        let end = now.timeIntervalSince1970 + certificateDays * 86_400 * 2 / 3
        return Issued(
            identity: TLSIdentity(chain: chain, key: try NodeCertificates.nioKey(key)),
            renewal: Timestamp(seconds: Int64(end), nanoseconds: 0))
    }

    /// A certificate for a node, whose private key the asker has and nobody else.
    ///
    /// - Parameters:
    ///   - request: PKCS #10, DER: hostile. Only its public key is taken from it.
    ///   - seconds: how long it holds.
    static func issue(
        from store: SecretStore, for request: [UInt8], of node: NodeName, holding seconds: Int
    ) throws -> [UInt8] {
        guard let authority = try store.authority() else {
            throw Failure(.unavailable, "the store has no certificate authority")
        }
        let publicKey = try NodeCertificates.publicKey(of: request)
        let issuer = try Certificate(derEncoded: authority.certificate)
        let now = Date()
        let extensions = try Certificate.Extensions {
            Critical(BasicConstraints.notCertificateAuthority)
            Critical(KeyUsage(digitalSignature: true))
            try ExtendedKeyUsage([.clientAuth])
            SubjectKeyIdentifier(hash: publicKey)
            AuthorityKeyIdentifier(keyIdentifier: try issuer.extensions.subjectKeyIdentifier?.keyIdentifier)
        }
        try store.trail.record([
            AuditEvent(.certificateIssue, by: .thisProcess, detail: "node \(node)")
        ])
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: publicKey,
            notValidBefore: now - min(skew, Double(seconds) / 10),
            notValidAfter: now + Double(seconds), issuer: issuer.subject,
            subject: try DistinguishedName { CommonName(node.text) },
            signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
            issuerPrivateKey: Certificate.PrivateKey(try NodeCertificates.privateKey(authority.key)))
        return try NodeCertificates.der(certificate)
    }

    private static func make() throws -> Authority {
        let key = P256.Signing.PrivateKey()
        let mark = hexadecimal(Array(Insecure.SHA1.hash(data: key.publicKey.x963Representation).prefix(4)))
        let subject = try DistinguishedName { CommonName("SecretFS CA \(mark)") }
        let now = Date()
        let extensions = try Certificate.Extensions {
            Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 0))
            Critical(KeyUsage(keyCertSign: true, cRLSign: true))
            SubjectKeyIdentifier(hash: Certificate.PublicKey(key.publicKey))
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
            notValidBefore: now - skew, notValidAfter: now + authorityDays * 86_400, issuer: subject,
            subject: subject, signatureAlgorithm: .ecdsaWithSHA256, extensions: extensions,
            issuerPrivateKey: .init(key))
        return Authority(
            key: try NodeCertificates.scalar(of: key), certificate: try NodeCertificates.der(certificate))
    }

    private static func name(_ host: String) throws -> GeneralName {
        var four = in_addr()
        if unsafe inet_pton(AF_INET, host, &four) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: bytes(of: four)[...]))
        }
        var six = in6_addr()
        if unsafe inet_pton(AF_INET6, host, &six) == 1 {
            return .ipAddress(ASN1OctetString(contentBytes: bytes(of: six)[...]))
        }
        return .dnsName(host)
    }

    private static func bytes<T>(of address: T) -> [UInt8] {
        unsafe withUnsafeBytes(of: address) { unsafe Array($0) }
    }
}
