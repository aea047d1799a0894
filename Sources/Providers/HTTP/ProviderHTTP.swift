import AsyncHTTPClient
import Dispatch
import Glibc
import JSONText
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import PeerNames
import Secrets
import Synchronization

/// How a provider speaks HTTP: one client with one TLS configuration. No redirects, for a token must not follow one; no
/// proxy; a limit for time and for what is answered; every failure in the words of `ProviderFailure`.
final class ProviderHTTP: Sendable {
    /// In bytes: a value of 1 MiB, each byte of it escaped, and room for the rest.
    static let maximumBody = 7 * 1_048_576
    /// In seconds: for a connection, and for a request from its beginning to the last byte of its answer.
    static let connectSeconds: Int64 = 5
    static let requestSeconds: Int64 = 10

    private let configuration: HTTPClient.Configuration
    /// By the name of whom they speak to, so that each knows whose certificate it wants to see.
    private let clients = Mutex<[String: HTTPClient]>([:])
    private let seconds: Int64

    /// - Parameter addresses: of hosts that no name server is asked for. Tests have servers with the names of others.
    init(
        _ tls: TLSConfiguration, seconds: Int64 = requestSeconds, addresses: [String: String] = [:]
    ) {
        var configuration = HTTPClient.Configuration(
            tlsConfiguration: tls, redirectConfiguration: .disallow,
            timeout: .init(connect: .seconds(min(seconds, Self.connectSeconds)), read: .seconds(seconds)))
        // One is enough: HTTP/2 brings nothing to small requests, and takes code that a hostile server reaches.
        configuration.httpVersion = .http1Only
        configuration.decompression = .disabled
        configuration.dnsOverride = addresses
        // What asks again, and when, is decided by who asks.
        configuration.connectionPool.retryConnectionEstablishment = false
        self.configuration = configuration
        self.seconds = seconds
    }

    /// A client that goes without this ends the process.
    deinit { for client in clients.withLock({ $0 }).values { client.shutdown(queue: .global()) { _ in } } }

    func close() async { for client in clients.withLock({ $0 }).values { try? await client.shutdown() } }

    private func client(for url: ProviderURL) -> HTTPClient {
        clients.withLock { clients in
            if let client = clients[url.name] { return client }
            var configuration = configuration
            if !url.isPlain {
                // Called when TLS is there, and before anything is sent.
                configuration.http1_1ConnectionDebugInitializer = { channel in
                    channel.eventLoop.submit {
                        let certificate = try channel.pipeline.syncOperations.nioSSL_peerCertificate()
                        try PeerName.check(certificate, isOf: url.name)
                    }.flatMapErrorThrowing { error in
                        channel.close(promise: nil)
                        throw error
                    }
                }
            }
            let client = HTTPClient(
                eventLoopGroupProvider: .shared(.singletonMultiThreadedEventLoopGroup),
                configuration: configuration)
            clients[url.name] = client
            return client
        }
    }

    /// - Throws: `.down` if there is no whole answer in time, `.malformed` if it is too long.
    func send(_ request: ProviderRequest) async throws(ProviderFailure) -> ProviderResponse {
        do {
            return try await withThrowingTaskGroup(of: ProviderResponse.self) { [seconds] group in
                group.addTask { try await self.exchange(request) }
                // The library's own deadline ends with the head of the answer.
                group.addTask {
                    try await Task.sleep(for: .seconds(seconds))
                    throw HTTPClientError.deadlineExceeded
                }
                defer { group.cancelAll() }
                guard let answer = try await group.next() else { throw CancellationError() }
                return answer
            }
        } catch let failure as ProviderFailure {
            throw failure
        } catch {
            throw ProviderFailure(.down, "\(request.url.host) \(Self.words(for: error))")
        }
    }

    private func exchange(_ request: ProviderRequest) async throws -> ProviderResponse {
        let client = client(for: request.url)
        let answer = try await client.execute(request.http, timeout: .seconds(seconds))
        let body = SecretBuffer()
        for try await chunk in answer.body {
            defer { wipe(chunk) }
            guard body.count + chunk.readableBytes <= Self.maximumBody else {
                throw ProviderFailure(.malformed, "\(request.url.host) answers more than is read")
            }
            try unsafe chunk.withUnsafeReadableBytes { bytes in
                try body.write(unsafe RawSpan(_unsafeBytes: bytes), at: body.count)
            }
        }
        return ProviderResponse(
            status: Int(answer.status.code), headers: answer.headers, body: body, host: request.url.host)
    }

    /// Nothing of what was sent or answered is in them.
    private static func words(for error: any Error) -> String {
        switch error {
        case let error as NIOConnectionError:
            if error.connectionErrors.isEmpty { return "has no address" }
            let reason = error.connectionErrors.compactMap { ($0.error as? IOError)?.errnoCode }.first
            return "cannot be reached" + (reason.map { ": \(text(ofErrno: $0))" } ?? "")
        case let error as HTTPClientError
        where error == .connectTimeout || error == .getConnectionFromPoolTimeout:
            return "cannot be reached: no connection in time"
        case let error as HTTPClientError where error == .deadlineExceeded || error == .readTimeout:
            return "does not answer in time"
        case let error as HTTPClientError where error == .remoteConnectionClosed:
            return "closed the connection"
        case is CancellationError: return "was not waited for"
        case let error as HTTPClientError where error == .cancelled: return "was not waited for"
        case is NIOSSLError, is BoringSSLError, is NIOSSLExtraError:
            return "cannot be trusted: its certificate or its TLS is not what is expected"
        case let error as IOError: return "cannot be reached: \(text(ofErrno: error.errnoCode))"
        case is HTTPParserError: return "does not speak HTTP"
        default: return "cannot be asked (\(type(of: error)))"
        }
    }

    private static func text(ofErrno number: CInt) -> String {
        unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
    }

    /// In place: nobody else reads these bytes.
    private func wipe(_ chunk: ByteBuffer) {
        unsafe chunk.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            // SAFETY: the buffer's storage is writable memory of our own process; what others may still read of it lies
            // outside of this chunk's readable bytes.
            unsafe explicit_bzero(UnsafeMutableRawPointer(mutating: start), bytes.count)
        }
    }
}
