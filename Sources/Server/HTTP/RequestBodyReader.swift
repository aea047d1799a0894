import Glibc
import HTTPTypes
import Hummingbird
import NIOCore
import Secrets

/// Reads a body into memory that wipes itself, and wipes the buffers that it came in: there may be a value in it (R6;
/// what TLS and the sockets keep is told in SECURITY.md#the-server).
struct RequestBodyReader: Sendable {
    let budget: ByteBudget

    /// Calls `use` with the body of `request`, a JSON object.
    ///
    /// - Throws: `APIError`, before the whole of a body that is too long was read; `JSONError`; what `use` throws.
    func withBody<R: Sendable>(
        of request: Request, _ use: (JSONObject) async throws -> R
    ) async throws -> R {
        try checkType(request.headers)
        let expected = try expectedCount(request.headers)
        guard budget.take(expected) else { throw APIError.busy }
        defer { budget.giveBack(expected) }
        let text = SecretBuffer()
        // However this ends: what was read of it goes at once.
        defer { text.clear() }
        for try await chunk in request.body {
            defer { wipe(chunk) }
            guard text.count + chunk.readableBytes <= expected else { throw APIError.tooLarge }
            try unsafe chunk.withUnsafeReadableBytes { bytes in
                try text.write(unsafe RawSpan(_unsafeBytes: bytes), at: text.count)
            }
        }
        return try await use(try JSONObject(text))
    }

    /// How long it may become, in bytes.
    private func expectedCount(_ fields: HTTPFields) throws -> Int {
        guard let text = fields[.contentLength] else { return ConnectionLimits.bodyBytes }
        guard let count = Int(text), count >= 0 else {
            throw APIError.malformed("Content-Length is not a number")
        }
        guard count <= ConnectionLimits.bodyBytes else { throw APIError.tooLarge }
        return count
    }

    private func checkType(_ fields: HTTPFields) throws(APIError) {
        guard let type = fields[.contentType] else { return }
        let parts = type.lowercased().split(separator: ";").map { $0.trimmingPrefix(while: \.isWhitespace) }
        guard parts.first.map({ $0 == "application/json" }) ?? false,
            parts.dropFirst().allSatisfy({ $0 == "charset=utf-8" })
        else {
            throw APIError(
                .unsupportedMediaType, .malformedAlgorithmSecretRequestJson,
                "the body must be JSON: Content-Type: application/json")
        }
    }

    /// In place: nobody else reads these bytes, and a copy would leave them where they are.
    private func wipe(_ chunk: ByteBuffer) {
        unsafe chunk.withUnsafeReadableBytes { bytes in
            guard let start = bytes.baseAddress else { return }
            // SAFETY: the buffer's storage is writable memory of our own process; what of it others may still read lies
            // outside of this chunk's readable bytes.
            unsafe explicit_bzero(UnsafeMutableRawPointer(mutating: start), bytes.count)
        }
    }
}
