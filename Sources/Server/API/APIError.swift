import HTTPTypes

/// Why a request is not done, as its client is told: `{"error":{"id":…,"code":…,"message":…}}`.
struct APIError: Error, Sendable {
    /// Those of the contract; never renumbered.
    enum Code: Int, CaseIterable, Sendable {
        case algorithmIdDoesNotExist = 1009
        case notAuthorized = 2001
        case notAuthenticated = 2002
        case malformedAlgorithmSecretRequestJson = 8000
        case secretMetadataConstraintViolation = 8001
        case defaultSecretProviderNotFound = 8002
        case createSecretNotSupported = 8003
        case createRequiresSecretValue = 8004
        case cannotModifyInternalSecretProvider = 8005
        case secretProviderNotFound = 8006
        case editSecretFailed = 8007
        case secretNotFound = 8008
        case secretProviderFailed = 8009
        case unableToDeleteSecret = 8010
        case unableToSetDefaultSecretProvider = 8011
        case secretProviderDisabled = 8012
        case unableToDeleteDefaultSecretProvider = 8013
        case editSecretNotSupported = 8014
    }

    let status: HTTPResponse.Status
    /// One of the contract, or the status where the contract has none.
    let code: Int
    /// For people. Names of things, never a value, never what stands in a body.
    let message: String
    /// In seconds.
    var retryAfter: Int?
    /// What a path takes, where it was asked for something else.
    var allow: [HTTPRequest.Method] = []

    init(_ status: HTTPResponse.Status, _ code: Code, _ message: String, retryAfter: Int? = nil) {
        self.status = status
        self.code = code.rawValue
        self.message = message
        self.retryAfter = retryAfter
    }

    /// An answer of HTTP's own.
    init(_ status: HTTPResponse.Status, _ message: String, retryAfter: Int? = nil) {
        self.status = status
        code = status.code
        self.message = message
        self.retryAfter = retryAfter
    }

    func body(_ id: String) -> JSON {
        ["error": ["id": .string(id), "code": .number(code), "message": .string(message)]]
    }
}

extension APIError {
    static let busy = APIError(
        .serviceUnavailable, "the server has too much to do; nothing was changed", retryAfter: 1)
    static let noPath = APIError(.notFound, "there is nothing at this path")
    static let notAuthenticated = APIError(
        .unauthorized, .notAuthenticated,
        "no API key, or one that is not valid: Authorization: KEY, Authorization: Simple KEY or Authorization: Bearer KEY"
    )
    static let tooLarge = APIError(
        .contentTooLarge, .malformedAlgorithmSecretRequestJson,
        "the body has more than \(ConnectionLimits.bodyBytes) bytes, the most that is taken")

    static func malformed(_ message: String) -> APIError {
        APIError(.badRequest, .malformedAlgorithmSecretRequestJson, message)
    }
    static func constraint(_ message: String) -> APIError {
        APIError(.badRequest, .secretMetadataConstraintViolation, message)
    }
    /// Whoever may not see a thing is told what they are told where there is none.
    static func noAlgorithm(_ what: String) -> APIError {
        APIError(
            .notFound, .algorithmIdDoesNotExist, "there is no algorithm \(what), or this key may not see it")
    }
    static func noSecret(_ id: String) -> APIError {
        APIError(.notFound, .secretNotFound, "there is no secret \(id) here")
    }
}
