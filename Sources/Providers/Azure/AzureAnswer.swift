import JSONText
import NIOHTTP1
import Secrets

/// What the answers of a Key Vault and of its login mean.
enum AzureAnswer {
    static let version = "api-version=7.5"

    /// What a status other than 200 of a vault means, where it has no meaning of its own.
    ///
    /// - Parameter what: what was asked, in words.
    static func failure(_ answer: ProviderResponse, _ what: String) -> ProviderFailure {
        let host = answer.host
        return switch answer.status {
        case 401: ProviderFailure(.denied, "\(host) does not take the token that was got for \(what)")
        case 403: ProviderFailure(.denied, "\(host) does not allow \(what)\(reason(code(of: answer)))")
        case 409 where code(of: answer)?.hasPrefix("ObjectIs") == true:
            ProviderFailure(
                .conflict,
                "\(host) keeps a deleted secret of this name: recover it there, or purge it, before \(what)")
        default: unusual(answer, what)
        }
    }

    /// What a status means, whoever answers.
    static func unusual(_ answer: ProviderResponse, _ what: String) -> ProviderFailure {
        let host = answer.host
        return switch answer.status {
        case 429:
            ProviderFailure(.throttled, "\(host) is asked too often", retryAfter: answer.retryAfter)
        case 500...:
            ProviderFailure(
                .down, "\(host) cannot do \(what) now (\(answer.status))", retryAfter: answer.retryAfter)
        case 300..<400: ProviderFailure(.malformed, "\(host) sends us elsewhere, and that is not followed")
        case 400: ProviderFailure(.malformed, "\(host) does not understand \(what) (400)")
        default: ProviderFailure(.malformed, "\(host) answers \(answer.status) to \(what)")
        }
    }

    /// Words for the codes that an administrator can do something about.
    private static func reason(_ code: String?) -> String {
        switch code {
        case "SecretDisabled": ": it is disabled"
        case "ForbiddenByFirewall": ": its firewall does not let this address in"
        case "ForbiddenByConnection": ": it is open to private connections alone"
        case "ForbiddenByRbac", "ForbiddenByPolicy", "AccessDenied": ": a role or an access policy is missing"
        default: ""
        }
    }

    /// The one that says most: `error.innererror.code`, or `error.code`. To be compared with, not to be told.
    static func code(of answer: ProviderResponse) -> String? {
        guard let error = try? answer.json().object("error") else { return nil }
        if let inner = try? error.object("innererror")?.string("code") { return inner }
        return try? error.string("code")
    }

    /// Takes members out of an answer.
    ///
    /// - Throws: `.malformed`; of a value that is too long too.
    static func reading<T>(_ host: String, _ body: () throws -> T) throws(ProviderFailure) -> T {
        do { return try body() } catch let failure as ProviderFailure {
            throw failure
        } catch let error as JSONError {
            throw ProviderFailure(
                .malformed, "\(host) answers something else than Azure does: \(error.reason)")
        } catch is ValueTooLong {
            throw ProviderFailure(
                .malformed, "the value at \(host) has more than \(SecretValue.maximumCount) bytes")
        } catch {
            throw ProviderFailure(.down, "there is no memory for the answer of \(host)")
        }
    }
}

extension JSONObject {
    /// A whole number, of seconds: as a number, or in a string, as the metadata service writes it. Nil if it is not there.
    func seconds(_ name: String) throws -> Int64? {
        guard let value = try scalar(name) else { return nil }
        let digits = value.withBytes { bytes in
            (0..<min(bytes.byteCount, 20)).map { bytes.byte(at: $0) }
        }
        guard value.count < 20, let number = Int64(String(decoding: digits, as: UTF8.self)) else {
            throw JSONError("\(name) is not a whole number")
        }
        return number
    }
}
