package import Console
import Glibc
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import Secrets
import ServiceLifecycle
import Store
import Synchronization
import UnixSignals

/// The server's parts put together, from its options to its end.
package enum SecretServer {
    /// In seconds: how long requests that are being answered may take when the server is told to stop.
    private static let stopSeconds = 30

    /// Serves until SIGTERM or SIGINT.
    package static func run(_ options: ServeOptions) async throws {
        try options.check()
        let address = try options.address
        let directory = try options.state.directory
        _ = try SealedStore.open(at: directory.path)
        guard let lock = try ProcessLock(directory, of: .server) else {
            throw Failure(.exists, "a server for \(directory.path) runs", hint: "stop it first")
        }
        defer { withExtendedLifetime(lock) {} }
        let store = try unsealed(options)
        // Options are read by now; the folder that the command was in must not be kept from being unmounted.
        let certificates = try certificates(options, store, address)
        unsafe chdir("/")
        LoggingSystem.bootstrap { ServerLog($0) }
        let log = Logger(label: "secretfs.server")
        let metrics = Metrics()
        let service = try APIService(store, directory, metrics, log)
        let connections = ConnectionCounters()
        let work = StoreWork()
        store.storage.allowReaders(StoreWork.readers)
        let responder = responder(service, work, connections, AuditReader(at: directory.path))
        let keys = try KeySocket(store, directory, log)
        try store.trail.record([AuditEvent(.serverStart, by: .thisProcess, detail: options.listen)])
        keys.open()
        defer { keys.close() }
        let failure = Mutex<(any Error)?>(nil)
        let application = Application(
            responder: responder,
            server: HTTPServerBuilder { responder in
                ClientChannel(responder, certificates, ConnectionLimits(), connections)
            },
            configuration: .init(
                address: .hostname(address.host, port: address.port), serverName: nil, backlog: 1024,
                availableConnectionsDelegate: .maximum(options.maxConnections, logger: log)),
            onServerRunning: { channel in
                let port = channel.localAddress?.port ?? address.port
                log.info(
                    "listening",
                    metadata: [
                        "address": "\(ListenAddress.text(address.host, port))",
                        "tls": "\(certificates == nil ? "no" : "yes")", "state": "\(directory.path)",
                    ])
                ServiceNotice.ready.send()
            }, logger: log)
        var configuration = ServiceGroupConfiguration(
            services: [application, CertificateReloading(source: certificates, log: log), StopNotice()],
            gracefulShutdownSignals: [.sigterm, .sigint], logger: log)
        configuration.maximumGracefulShutdownDuration = .seconds(stopSeconds)
        do { try await ServiceGroup(configuration: configuration).run() } catch {
            failure.withLock { $0 = error }
        }
        await work.stop()
        service.denials.end()
        try? store.trail.record([AuditEvent(.serverStop, by: .thisProcess)])
        if let error = failure.withLock({ $0 }) { throw readable(error, options) }
        log.info("stopped")
    }

    /// The root key is in memory in here only.
    private static func unsealed(_ options: ServeOptions) throws -> SecretStore {
        let unlocked = try options.state.unlock()
        return try unlocked.sealed.unseal(by: unlocked.root.key)
    }

    private static func responder(
        _ service: APIService, _ work: StoreWork, _ connections: ConnectionCounters, _ audit: AuditReader
    ) -> Gate {
        let parts = RequestParts(
            service: service, authenticators: [KeyAuthenticator(service.store)], work: work,
            bodies: RequestBodyReader(budget: ByteBudget(ConnectionLimits.bodiesBytes)),
            metrics: service.metrics)
        let calls = service.routes(audit)
        let operation = OperationRoutes(service: service, work: work, connections: connections)
        // The document tells of itself, too.
        let document = OpenAPIDocument.bytes(of: calls + operation.all([]))
        return Gate(table: RouteTable(calls + operation.all(document), parts), metrics: service.metrics)
    }

    private static func certificates(
        _ options: ServeOptions, _ store: SecretStore, _ address: ListenAddress
    ) throws -> CertificateSource? {
        guard !options.insecureHttp else { return nil }
        if let certificate = options.certificate, let key = options.key {
            return try CertificateSource(.files(certificate: absolute(certificate), key: absolute(key)))
        }
        var hosts = ["localhost", "127.0.0.1", "::1"]
        let wildcards = ["0.0.0.0", "::"]
        for host in [address.host, hostName()] + options.names
        where !host.isEmpty && !hosts.contains(host) && !wildcards.contains(host) { hosts.append(host) }
        return try CertificateSource(.authority(store, hosts: hosts))
    }

    private static func hostName() -> String {
        var name = [CChar](repeating: 0, count: 256)
        guard unsafe gethostname(&name, name.count - 1) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func readable(_ error: any Error, _ options: ServeOptions) -> any Error {
        guard Failure(ours: error) == nil else { return error }
        if let error = error as? IOError {
            let status: ExitStatus = error.errnoCode == EACCES ? .denied : .unavailable
            return Failure(
                status, "\(options.listen) cannot be listened on: \(errnoText(error.errnoCode))",
                hint: error.errnoCode == EADDRINUSE
                    ? "another program listens there; choose another --listen" : nil)
        }
        return Failure(.system, "the server ended: \(type(of: error))")
    }
}

/// Tells systemd when the server begins to stop.
private struct StopNotice: Service {
    func run() async throws {
        try await gracefulShutdown()
        ServiceNotice.stopping.send()
    }
}
