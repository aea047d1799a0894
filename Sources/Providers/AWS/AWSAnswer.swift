import JSONText
import Secrets

/// What AWS's answers mean.
enum AWSAnswer {
    /// The name of an error, without what may stand before and behind it.
    static func type(of answer: ProviderResponse) -> String? {
        guard let body = try? answer.json() else { return nil }
        let text = (try? body.string("__type")) ?? (try? body.string("code")) ?? nil
        return text?.split(separator: "#").last?.split(separator: ":").first.map(String.init)
    }

    /// - Parameter what: what was asked, in words.
    static func failure(_ answer: ProviderResponse, _ what: String) -> ProviderFailure {
        let host = answer.host
        switch type(of: answer) {
        case "ResourceNotFoundException":
            return ProviderFailure(.absent, "\(host) has nothing for \(what), or no such version")
        case "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
            "IncompleteSignatureException", "MissingAuthenticationTokenException",
            "InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied", "OptInRequired":
            return ProviderFailure(.denied, "\(host) does not allow \(what)")
        case "ExpiredTokenException", "ExpiredToken", "RequestExpired":
            return ProviderFailure(
                .denied, "\(host) says that the credentials have ended, or that our clock is wrong")
        case "DecryptionFailure":
            return ProviderFailure(.denied, "\(host) cannot open it: its KMS key is not to be used")
        case "InvalidRequestException":
            return ProviderFailure(
                .denied, "\(host) refuses \(what): the secret is to be deleted, or has no such version")
        case "ResourceExistsException":
            return ProviderFailure(.conflict, "\(host) has a secret of this name already")
        case "ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException",
            "LimitExceededException":
            return ProviderFailure(.throttled, "\(host) is asked too often", retryAfter: answer.retryAfter)
        case "InternalServiceError", "InternalFailure", "ServiceUnavailable", "ServiceUnavailableException":
            return ProviderFailure(.down, "\(host) cannot do \(what) now", retryAfter: answer.retryAfter)
        default: return unusual(answer, what)
        }
    }

    private static func unusual(_ answer: ProviderResponse, _ what: String) -> ProviderFailure {
        let host = answer.host
        return switch answer.status {
        case 429: ProviderFailure(.throttled, "\(host) is asked too often", retryAfter: answer.retryAfter)
        case 401, 403: ProviderFailure(.denied, "\(host) does not allow \(what)")
        case 500...:
            ProviderFailure(
                .down, "\(host) cannot do \(what) now (\(answer.status))", retryAfter: answer.retryAfter)
        default: ProviderFailure(.malformed, "\(host) answers \(answer.status) to \(what)")
        }
    }

    /// Takes members out of an answer.
    ///
    /// - Throws: `.malformed`; of a value that is too long too.
    static func reading<T>(_ host: String, _ body: () throws -> T) throws(ProviderFailure) -> T {
        do { return try body() } catch let failure as ProviderFailure {
            throw failure
        } catch let error as JSONError {
            throw ProviderFailure(
                .malformed, "\(host) answers something else than AWS does: \(error.reason)")
        } catch is ValueTooLong {
            throw ProviderFailure(
                .malformed, "the value at \(host) has more than \(SecretValue.maximumCount) bytes")
        } catch {
            throw ProviderFailure(.down, "there is no memory for the answer of \(host)")
        }
    }
}
