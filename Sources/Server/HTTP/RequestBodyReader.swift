import Glibc
import HTTPTypes
import Hummingbird
import JSONText
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
        try await withText(of: request, .json, atMost: ConnectionLimits.bodyBytes) { text in
            try await use(try JSONObject(text))
        }
    }

    /// Calls `use` with the body of `request`, a form of a page.
    ///
    /// - Throws: as above; `FormError`.
    func withForm<R: Sendable>(
        of request: Request, atMost maximum: Int, _ use: (FormBody) async throws -> R
    ) async throws -> R {
        try await withText(of: request, .form, atMost: maximum) { text in
            try await use(try FormBody(text))
        }
    }

    private func withText<R: Sendable>(
        of request: Request, _ type: BodyType, atMost maximum: Int, _ use: (SecretBuffer) async throws -> R
    ) async throws -> R {
        try type.check(request.headers)
        let expected = try expectedCount(request.headers, atMost: maximum)
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
        return try await use(text)
    }

    /// How long it may become, in bytes.
    private func expectedCount(_ fields: HTTPFields, atMost maximum: Int) throws -> Int {
        guard let text = fields[.contentLength] else { return maximum }
        guard let count = Int(text), count >= 0 else {
            throw APIError.malformed("Content-Length is not a number")
        }
        guard count <= maximum else { throw APIError.tooLarge }
        return count
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

/// What a body says that it is.
private enum BodyType {
    case json, form

    func check(_ fields: HTTPFields) throws(APIError) {
        guard let text = fields[.contentType] else {
            // What comes without a type is taken for JSON; a browser's form has one.
            guard self == .json else { throw refusal }
            return
        }
        let given = text.lowercased().split(separator: ";").map { $0.trimmingPrefix(while: \.isWhitespace) }
        guard let type = given.first, type == name, given.dropFirst().allSatisfy({ $0 == "charset=utf-8" })
        else {
            throw refusal
        }
    }

    private var name: String {
        switch self {
        case .json: "application/json"
        case .form: "application/x-www-form-urlencoded"
        }
    }

    private var refusal: APIError {
        switch self {
        case .json:
            APIError(
                .unsupportedMediaType, .malformedAlgorithmSecretRequestJson,
                "the body must be JSON: Content-Type: application/json")
        case .form: APIError(.unsupportedMediaType, "the body must be that of a form")
        }
    }
}
