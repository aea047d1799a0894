import JSONText
import NIOSSL
import Secrets

/// TLS towards a provider: its certificate is always checked, against the CAs of the system or the one that is given.
enum ProviderTLS {
    static func client(
        _ configuration: ProviderConfiguration, needsCertificate: Bool = false
    ) throws(ProviderFailure) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if let authority = configuration["ca_certificate"], authority.count > 0 {
            tls.trustRoots = .certificates(try certificates(authority, "ca_certificate"))
        }
        guard needsCertificate else { return tls }
        let chain = try certificates(try configuration.secret("client_certificate"), "client_certificate")
        tls.certificateChain = chain.map { .certificate($0) }
        let key = try configuration.secret("client_key")
        do {
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: bytes(key), format: .pem))
        } catch {
            throw ProviderFailure(.malformed, "client_key is not a private key in PEM form")
        }
        return tls
    }

    private static func certificates(
        _ pem: SecretValue, _ setting: String
    ) throws(ProviderFailure) -> [NIOSSLCertificate] {
        guard let found = try? NIOSSLCertificate.fromPEMBytes(bytes(pem)), !found.isEmpty else {
            throw ProviderFailure(.malformed, "\(setting) is not a certificate in PEM form")
        }
        return found
    }

    /// The library takes nothing else; it is wiped when it is freed (CWipingFree).
    private static func bytes(_ value: SecretValue) -> [UInt8] {
        value.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
    }
}
