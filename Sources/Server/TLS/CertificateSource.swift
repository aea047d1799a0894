import CLinux
import Console
import Glibc
import Link
import Logging
import NIOSSL
import Secrets
import Store
import Synchronization

/// The certificate that new connections get, and where the next one comes from.
final class CertificateSource: Sendable {
    enum Origin: Sendable {
        /// PEM files.
        case files(certificate: String, key: String)
        /// The store's own CA, for these names and addresses.
        case authority(SecretStore, hosts: [String])
        /// The same, for the port of nodes: they show certificates by that CA, too.
        case nodes(SecretStore, hosts: [String])
    }
    private struct State {
        var context: NIOSSLContext
        /// From then on it should be another one.
        var renewal: Timestamp?
        var seen: [FileMark?]
    }

    private let origin: Origin
    private let state: Mutex<State>

    /// - Throws: `Failure`: there must be one to begin with.
    init(_ origin: Origin) throws {
        self.origin = origin
        state = Mutex(try Self.load(origin))
    }

    var current: NIOSSLContext { state.withLock { $0.context } }

    /// Whether it is time to take another: the files are others, or the certificate ends soon.
    var isDue: Bool {
        let (seen, renewal) = state.withLock { ($0.seen, $0.renewal) }
        return Self.marks(origin) != seen || renewal.map { $0 <= .now() } ?? false
    }

    /// Takes the certificate as it is now. If that cannot be used, the one before stays, and it is due again when the
    /// files change once more, or in a minute.
    func reload() throws {
        let seen = Self.marks(origin)
        do {
            let next = try Self.load(origin)
            state.withLock { $0 = next }
        } catch {
            let later = Timestamp(seconds: Timestamp.now().seconds + 60, nanoseconds: 0)
            state.withLock { state in
                state.seen = seen
                if state.renewal != nil { state.renewal = later }
            }
            throw error
        }
    }

    private static func load(_ origin: Origin) throws -> State {
        // Before they are read: what changes meanwhile is seen at the next look.
        let seen = marks(origin)
        switch origin {
        case .files(let certificate, let key):
            return State(context: try context(try CertificateFiles.read(certificate, key)), seen: seen)
        case .authority(let store, let hosts):
            let issued = try OwnAuthority.issue(from: store, for: hosts)
            return State(context: try context(issued.identity), renewal: issued.renewal, seen: seen)
        case .nodes(let store, let hosts):
            let issued = try OwnAuthority.issue(from: store, for: hosts)
            let authority = issued.identity.chain.suffix(1)
            return State(
                context: try context(issued.identity) { configuration in
                    configuration.trustRoots = .certificates(Array(authority))
                    // Who shows none may redeem a token, and nothing else; who shows another is refused.
                    configuration.certificateVerification = .optionalVerification
                    configuration.applicationProtocols = [NodeCertificates.applicationProtocol]
                }, renewal: issued.renewal, seen: seen)
        }
    }

    private static func context(
        _ identity: TLSIdentity, _ adjust: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: identity.chain.map { .certificate($0) }, privateKey: .privateKey(identity.key))
        configuration.minimumTLSVersion = .tlsv13
        configuration.applicationProtocols = ["http/1.1"]
        adjust(&configuration)
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw Failure(
                .badInput, "the certificate and its key cannot be used together: \(error)",
                hint: "check that the key is the one of the first certificate in the file")
        }
    }

    private static func marks(_ origin: Origin) -> [FileMark?] {
        guard case .files(let certificate, let key) = origin else { return [] }
        return [FileMark(certificate), FileMark(key)]
    }
}

/// What a connection needs to say who this server is.
struct TLSIdentity {
    let chain: [NIOSSLCertificate]
    let key: NIOSSLPrivateKey
}

/// Tells whether a file is another one than before, also where a link leads to another.
private struct FileMark: Equatable {
    private let inode: UInt64
    private let device: UInt64
    private let size: Int64
    private let seconds: Int
    private let nanoseconds: Int

    init?(_ path: String) {
        guard let status = Files.target(path) else { return nil }
        inode = UInt64(status.st_ino)
        device = UInt64(status.st_dev)
        size = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}
