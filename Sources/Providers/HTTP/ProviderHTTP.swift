import AsyncHTTPClient
import Dispatch
import Glibc
import JSONText
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Secrets

/// How a provider speaks HTTP: one client with one TLS configuration. No redirects, for a token must not follow one; no
/// proxy; a limit for time and for what is answered; every failure in the words of `ProviderFailure`.
final class ProviderHTTP: Sendable {
    /// In bytes: a value of 1 MiB, each byte of it escaped, and room for the rest.
    static let maximumBody = 7 * 1_048_576
    /// In seconds: for a connection, and for a request from its beginning to the last byte of its answer.
    static let connectSeconds: Int64 = 5
    static let requestSeconds: Int64 = 10

    private let client: HTTPClient
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
        client = HTTPClient(
            eventLoopGroupProvider: .shared(.singletonMultiThreadedEventLoopGroup),
            configuration: configuration)
        self.seconds = seconds
    }

    /// A client that goes without this ends the process.
    deinit { client.shutdown(queue: .global()) { _ in } }

    func close() async { try? await client.shutdown() }

    /// - Throws: `.down` if there is no whole answer, `.malformed` if it is too long.
    func send(_ request: ProviderRequest) async throws(ProviderFailure) -> ProviderResponse {
        do {
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
        } catch let failure as ProviderFailure {
            throw failure
        } catch {
            throw ProviderFailure(.down, "\(request.url.host) \(Self.words(for: error))")
        }
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
