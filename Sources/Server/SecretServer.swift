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
        try store.checkIsNoNode()
        // Options are read by now; the folder that the command was in must not be kept from being unmounted.
        let certificates = try certificates(options, store, address)
        unsafe chdir("/")
        LoggingSystem.bootstrap { ServerLog($0) }
        let log = Logger(label: "secretfs.server")
        let metrics = Metrics()
        let service = try APIService(store, directory, metrics, log)
        let connections = ConnectionCounters()
        let addresses = AddressLimit(options.maxConnectionsPerClient)
        let work = StoreWork()
        store.storage.allowReaders(StoreWork.readers)
        let parts = RequestParts(
            service: service, authenticators: [KeyAuthenticator(store)], work: work,
            bodies: RequestBodyReader(budget: ByteBudget(ConnectionLimits.bodiesBytes)), metrics: metrics)
        let site = try Site(parts, AuditReader(at: directory.path))
        site.reads.refresh(on: work)
        let responder = responder(parts, site, connections)
        let external = ExternalValues(store, log)
        let nodes = try await nodes(options, store, external, address, work, log)
        let keys = try KeySocket(ServerKeys(store, nodes == nil ? nil : external, log), directory)
        try store.trail.record([AuditEvent(.serverStart, by: .thisProcess, detail: options.listen)])
        keys.open()
        defer { keys.close() }
        let failure = Mutex<(any Error)?>(nil)
        let application = Application(
            responder: responder,
            server: HTTPServerBuilder { responder in
                ClientChannel(responder, certificates, ConnectionLimits(), addresses, connections)
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
                Hygiene.endStart()
            }, logger: log)
        var configuration = ServiceGroupConfiguration(
            services: [
                application,
                CertificateReloading(
                    sources: [certificates, nodes?.certificates].compactMap { $0 }, log: log),
                StopNotice(),
            ] + [nodes?.listener].compactMap { $0 },
            gracefulShutdownSignals: [.sigterm, .sigint], logger: log)
        configuration.maximumGracefulShutdownDuration = .seconds(stopSeconds)
        do { try await ServiceGroup(configuration: configuration).run() } catch {
            failure.withLock { $0 = error }
        }
        await work.stop()
        await site.passwords.stop()
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
        _ parts: RequestParts, _ site: Site, _ connections: ConnectionCounters
    ) -> Gate {
        let calls = parts.service.routes(site.audit)
        let operation = OperationRoutes(service: parts.service, work: parts.work, connections: connections)
        // The document tells of itself, too.
        let document = OpenAPIDocument.bytes(of: calls + operation.all([]))
        return Gate(
            table: RouteTable(calls + operation.all(document), parts, site), metrics: parts.metrics,
            errors: site.errors)
    }

    private static func certificates(
        _ options: ServeOptions, _ store: SecretStore, _ address: ListenAddress
    ) throws -> CertificateSource? {
        guard !options.insecureHttp else { return nil }
        if let certificate = options.certificate, let key = options.key {
            return try CertificateSource(.files(certificate: absolute(certificate), key: absolute(key)))
        }
        return try CertificateSource(.authority(store, hosts: hosts(options, address)))
    }

    /// What clients may call this server.
    private static func hosts(_ options: ServeOptions, _ address: ListenAddress) -> [String] {
        var hosts = ["localhost", "127.0.0.1", "::1"]
        let wildcards = ["0.0.0.0", "::"]
        for host in [address.host, hostName()] + options.names
        where !host.isEmpty && !hosts.contains(host) && !wildcards.contains(host) { hosts.append(host) }
        return hosts
    }

    /// The port of nodes, if there is to be one. It always has a certificate by the store's own CA.
    private static func nodes(
        _ options: ServeOptions, _ store: SecretStore, _ external: ExternalValues, _ own: ListenAddress,
        _ work: StoreWork, _ log: Logger
    ) async throws -> (listener: NodeListener, certificates: CertificateSource)? {
        guard let address = try options.nodesAddress else { return nil }
        var names = hosts(options, address)
        if !names.contains(own.host) { names.append(own.host) }
        let certificates = try CertificateSource(
            .nodes(store, hosts: names.filter { $0 != "0.0.0.0" && $0 != "::" }))
        let parts = NodeParts(
            store: store, hub: NodeHub(external, log), views: SharedViews(store, external), work: work,
            trail: LimitedTrail(store.trail), certificateSeconds: try options.nodeCertificateSeconds, log: log
        )
        do {
            return (try await NodeListener.bind(address, certificates, parts), certificates)
        } catch let error as IOError {
            throw Failure(
                error.errnoCode == EACCES ? .denied : .unavailable,
                "--nodes: \(ListenAddress.text(address.host, address.port)) cannot be listened on: "
                    + errnoText(error.errnoCode))
        }
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
