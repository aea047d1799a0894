import AsyncHTTPClient
import JSONText
import NIOCore
import NIOHTTP1
import Secrets

/// One request to a provider.
struct ProviderRequest: Sendable {
    let method: HTTPMethod
    let url: ProviderURL
    /// With its slash; whoever makes it encodes its parts.
    let path: String
    var headers: HTTPHeaders = [:]
    /// Its memory is wiped when it is freed, as all of this process is (CWipingFree).
    var body: ByteBuffer?
    /// What `body` is.
    var contentType = "application/json"

    init(_ method: HTTPMethod, _ url: ProviderURL, _ path: String) {
        self.method = method
        self.url = url
        self.path = path
    }

    fileprivate static let agent = "secretfs"

    var http: HTTPClientRequest {
        var request = HTTPClientRequest(url: url.origin + path)
        request.method = method
        request.headers = headers
        request.headers.replaceOrAdd(name: "User-Agent", value: Self.agent)
        if let body {
            request.headers.replaceOrAdd(name: "Content-Type", value: contentType)
            request.body = .bytes(body)
        }
        return request
    }

    /// A credential as a header, behind what kind it is of. Header values are text for every HTTP library; this one lives
    /// for one request.
    mutating func set(
        _ name: String, to credential: SecretValue, kind: String = ""
    ) throws(ProviderFailure) {
        let text = credential.withBytes { bytes -> String? in
            let isPrintable = (0..<bytes.byteCount).allSatisfy { (0x21...0x7E).contains(bytes.byte(at: $0)) }
            guard isPrintable, (1...16_384).contains(bytes.byteCount) else { return nil }
            return unsafe bytes.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
        }
        guard let text else {
            throw ProviderFailure(
                .malformed, "the credential is none: it has other bytes than printable ASCII")
        }
        headers.replaceOrAdd(name: name, value: kind + text)
    }
}

/// What a provider answered.
struct ProviderResponse: Sendable {
    let status: Int
    let headers: HTTPHeaders
    let body: SecretBuffer
    let host: String

    /// The object that the body is.
    func json() throws(ProviderFailure) -> JSONObject {
        do { return try JSONObject(body) } catch {
            throw ProviderFailure(
                .malformed, "\(host) answered \(status) with no JSON that is understood: \(error.reason)")
        }
    }

    /// In seconds, where it says so and it is a number: dates are not used by these providers.
    var retryAfter: UInt32? {
        headers.first(name: "Retry-After").flatMap { UInt32($0) }.map { min($0, 3600) }
    }
}

/// JSON that goes out, written into one buffer: texts of ours, and values.
struct JSONWriter {
    private(set) var buffer = ByteBuffer()

    mutating func raw(_ text: StaticString) { text.withUTF8Buffer { _ = unsafe buffer.writeBytes($0) } }

    mutating func number(_ number: UInt32) { buffer.writeString(String(number)) }

    mutating func string(_ text: String) {
        buffer.writeInteger(UInt8(ascii: "\""))
        for byte in text.utf8 { write(byte) }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    /// - Precondition: `value` is UTF-8; see `isUTF8`.
    mutating func string(_ value: SecretValue) {
        buffer.writeInteger(UInt8(ascii: "\""))
        // At once: a buffer that grows leaves copies behind, which are wiped when they are freed, not before.
        buffer.reserveCapacity(minimumWritableBytes: value.count * 6 + 64)
        value.withBytes { bytes in
            for offset in 0..<bytes.byteCount { write(bytes.byte(at: offset)) }
        }
        buffer.writeInteger(UInt8(ascii: "\""))
    }

    private mutating func write(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            buffer.writeInteger(UInt8(ascii: "\\"))
            buffer.writeInteger(byte)
        case ..<0x20, 0x7F:
            raw("\\u00")
            for digit in [byte >> 4, byte & 15] {
                buffer.writeInteger(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        default: buffer.writeInteger(byte)
        }
    }
}

extension SecretValue {
    /// Whether it is text that JSON can carry as it is.
    var isUTF8: Bool {
        withBytes { bytes in
            unsafe bytes.withUnsafeBytes { bytes in
                // No copy is made of it.
                var decoder = UTF8.ForwardParser()
                var iterator = unsafe bytes.makeIterator()
                while true {
                    switch unsafe decoder.parseScalar(from: &iterator) {
                    case .valid: continue
                    case .emptyInput: return true
                    case .error: return false
                    }
                }
            }
        }
    }
}
