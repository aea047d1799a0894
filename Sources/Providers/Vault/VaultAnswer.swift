import JSONText
import NIOCore
import NIOHTTP1
import Secrets

/// What Vault's answers mean.
enum VaultAnswer {
    static func request(
        _ method: HTTPMethod, _ path: String, _ body: ByteBuffer?, _ settings: VaultSettings
    ) -> ProviderRequest {
        var request = ProviderRequest(method, settings.url, "/v1/" + path)
        request.body = body
        // A browser's or a proxy's request that somebody was talked into does not have it.
        request.headers.add(name: "X-Vault-Request", value: "true")
        if let namespace = settings.namespace {
            request.headers.add(name: "X-Vault-Namespace", value: namespace)
        }
        return request
    }

    /// What a status other than 200 means, where it has no meaning of its own.
    ///
    /// - Parameter what: what was asked, in words.
    static func failure(_ answer: ProviderResponse, _ what: String) -> ProviderFailure {
        let host = answer.host
        return switch answer.status {
        case 400, 405, 422:
            ProviderFailure(.malformed, "\(host) does not understand \(what) (\(answer.status))")
        case 401, 403: ProviderFailure(.denied, "\(host) does not allow \(what)")
        case 404: ProviderFailure(.malformed, "\(host) knows no such path for \(what)")
        case 429:
            ProviderFailure(.throttled, "\(host) is asked too often", retryAfter: answer.retryAfter)
        case 472, 473, 503:
            ProviderFailure(
                .down, "\(host) is sealed, or a standby that does not answer", retryAfter: answer.retryAfter)
        case 300..<400:
            ProviderFailure(.malformed, "\(host) sends us elsewhere: name the active server in vault_addr")
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
                .malformed, "\(host) answers something else than Vault does: \(error.reason)")
        } catch is ValueTooLong {
            throw ProviderFailure(
                .malformed, "the value at \(host) has more than \(SecretValue.maximumCount) bytes")
        } catch {
            throw ProviderFailure(.down, "there is no memory for the answer of \(host)")
        }
    }

    /// Whether a 404 says that there is nothing at a path. Where a mount or a namespace is missing, or a policy hides it, it
    /// says more, and nobody knows whether the secret is gone.
    static func isAbsence(_ answer: ProviderResponse) -> Bool {
        guard let body = try? answer.json() else { return false }
        if (try? body.object("data")) != nil { return true }
        // A path of version 1 in a mount of version 2 has them.
        if let warnings = try? body.strings("warnings"), !warnings.isEmpty { return false }
        return (try? body.strings("errors"))?.flatMap { $0.isEmpty } ?? false
    }
}

extension JSONWriter {
    enum Member {
        case text(String)
        case secret(SecretValue)
        case number(UInt32)
        case object([(String, Member)])
    }

    static func object(_ members: [String: Member]) -> ByteBuffer {
        var writer = JSONWriter()
        writer.object(members.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        return writer.buffer
    }

    private mutating func object(_ members: [(String, Member)]) {
        raw("{")
        for (index, (name, member)) in members.enumerated() {
            if index > 0 { raw(",") }
            string(name)
            raw(":")
            switch member {
            case .text(let text): string(text)
            case .secret(let value): string(value)
            case .number(let number): self.number(number)
            case .object(let inner): object(inner)
            }
        }
        raw("}")
    }
}
