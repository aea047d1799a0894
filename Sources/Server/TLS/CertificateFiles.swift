import Console
import Glibc
import NIOSSL

/// A certificate with its chain, and its key, from PEM files.
enum CertificateFiles {
    static func read(_ certificate: String, _ key: String) throws(Failure) -> TLSIdentity {
        try check(certificate, isKey: false)
        try check(key, isKey: true)
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(certificate) } catch {
            throw Failure(.badInput, "\(certificate) has no certificate in PEM form")
        }
        guard !chain.isEmpty else {
            throw Failure(.badInput, "\(certificate) has no certificate in PEM form")
        }
        do { return TLSIdentity(chain: chain, key: try NIOSSLPrivateKey(file: key, format: .pem)) } catch {
            throw Failure(
                .badInput, "\(key) has no private key in PEM form",
                hint: "a key that is protected by a passphrase is not taken: openssl pkey -in FILE -out NEW")
        }
    }

    private static func check(_ path: String, isKey: Bool) throws(Failure) {
        guard let status = Files.target(path) else {
            throw Failure(
                errno == EACCES ? .denied : .notFound, "\(path) cannot be read: \(errnoText())")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(.badInput, "\(path) is not a file") }
        // Its group may read it: that is how a key is shared with the services of a machine.
        guard !isKey || status.st_mode & 0o007 == 0 else {
            throw Failure(
                .denied, "everybody may read \(path), a private key",
                hint: "chmod 0600 \(path), and change the key")
        }
    }
}
