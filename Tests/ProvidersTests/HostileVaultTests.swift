import Foundation
import Secrets
import Testing

@testable import Providers

private let token = "hvs.a-token-that-must-not-be-told"
private let value = "a-value-that-must-not-be-told"
private let lookup = HostileServer.answer("200 OK", #"{"data":{"ttl":0,"renewable":false}}"#)

private func ok(_ body: String) -> String { HostileServer.answer("200 OK", body) }

private func provider(_ server: HostileServer) throws -> Vault {
    let settings = ["vault_addr": server.address, "vault_token": token]
    return try Vault(ProviderConfiguration(texts: settings), requestSeconds: 2)
}

/// A read from a server that takes any token and answers `answer` to the read.
private func failure(_ answer: String?, known: String? = nil) async throws -> ProviderFailure {
    let server = try await HostileServer([lookup, answer])
    let vault = try provider(server)
    let failure = try await vault.failure("secret/data/db#a")
    #expect(!failure.message.contains(token) && !failure.message.contains(value), "\(failure)")
    #expect(failure.message.utf8.count <= ProviderFailure.maximumMessage)
    await vault.close()
    await server.close()
    return failure
}

@Suite struct `A server that is no Vault, or lies` {
    @Test(arguments: [
        ok(""), ok("null"), ok("[]"), ok(#""\#(value)""#), ok("{}"), ok(#"{"data":null}"#),
        ok(#"{"data":{}}"#),
        ok(#"{"data":{"data":{"a":"\#(value)"}}}"#),
        ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{}}}"#),
        ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{"version":0}}}"#),
        ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{"version":-1}}}"#),
        ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{"version":1e99}}}"#),
        ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{"version":"1"}}}"#),
        ok(#"{"data":{"data":{"a":["\#(value)"]},"metadata":{"version":1}}}"#),
        ok(#"{"data":{"data":{"a":null},"metadata":{"version":1}}}"#),
        ok(#"{"data":{"data":"\#(value)","metadata":{"version":1}}}"#),
        ok(#"{"data":{"data":{"a":"1","a":"\#(value)"},"metadata":{"version":1}}}"#),
        ok(#"{"data":{"data":{"a":"\ud800"},"metadata":{"version":1}}}"#),
        ok(String(repeating: "[", count: 100_000)),
        ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{"version":1}}} x"#),
        HostileServer.answer("404 Not Found", ""),
        HostileServer.answer("404 Not Found", "<html>\(value)</html>"),
        HostileServer.answer("404 Not Found", #"{"errors":["no handler for route \#(value)"]}"#),
        HostileServer.answer("404 Not Found", #"{"errors":[1]}"#),
        HostileServer.answer("404 Not Found", #"{"data":null}"#),
        HostileServer.answer("404 Not Found", #"{"data":null,"errors":[],"warnings":["Invalid path"]}"#),
        HostileServer.answer("404 Not Found", "{}"),
        HostileServer.answer("204 No Content", ""), HostileServer.answer("418 Teapot", "{}"),
        HostileServer.answer("301 Moved", "", "Location: http://127.0.0.1:1/"),
    ])
    func `is malformed, not absent and not a value`(_ answer: String) async throws {
        #expect(try await failure(answer).kind == .malformed)
    }

    @Test func `that answers too much is not read to its end`() async throws {
        let long = String(repeating: "x", count: 8 << 20)
        #expect(try await failure(ok(#"{"data":{"data":{"a":"\#(long)"}}}"#)).kind == .malformed)
        let value = String(repeating: "x", count: SecretValue.maximumCount + 1)
        #expect(
            try await failure(ok(#"{"data":{"data":{"a":"\#(value)"},"metadata":{"version":1}}}"#)).kind
                == .malformed)
    }

    @Test(arguments: [
        ("500 Internal Server Error", ProviderFailure.Kind.down), ("502 Bad Gateway", .down),
        ("503 Sealed", .down),
        ("473 Standby", .down), ("429 Too Many Requests", .throttled), ("403 Forbidden", .denied),
        ("401 No", .denied),
    ])
    func `with a status of its own is that failure, whatever its body`(
        _ status: String, _ kind: ProviderFailure.Kind
    ) async throws {
        #expect(try await failure(HostileServer.answer(status, "<\(value)>", "Retry-After: 7")).kind == kind)
    }

    @Test func `that says when to come again is believed for an hour at most`() async throws {
        #expect(try await failure(HostileServer.answer("429 No", "", "Retry-After: 7")).retryAfter == 7)
        #expect(
            try await failure(HostileServer.answer("429 No", "", "Retry-After: 4000000000")).retryAfter
                == 3600)
        #expect(try await failure(HostileServer.answer("429 No", "", "Retry-After: soon")).retryAfter == nil)
    }

    @Test(arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"])
    func `that speaks no HTTP, or not to its end, is down in time`(_ answer: String) async throws {
        let begun = ContinuousClock.now
        #expect(try await failure(answer).kind == .down)
        #expect(ContinuousClock.now - begun < .seconds(6))
    }

    @Test func `that never answers is down in time, and a task that is cancelled does not wait for it`()
        async throws
    {
        let begun = ContinuousClock.now
        #expect(try await failure(nil).kind == .down)
        #expect(.seconds(1)..<(.seconds(6)) ~= ContinuousClock.now - begun)
        let server = try await HostileServer([nil])
        let vault = try provider(server)
        let reading = Task { try await vault.failure("secret/data/db#a") }
        try await Task.sleep(for: .milliseconds(300))
        let cancelled = ContinuousClock.now
        reading.cancel()
        _ = try? await reading.value
        #expect(ContinuousClock.now - cancelled < .seconds(1))
        await vault.close()
    }

    @Test func `that answers a byte now and then is down in time, also for a login, and forgotten`()
        async throws
    {
        let begun = ContinuousClock.now
        #expect(try await failure(HostileServer.trickle).kind == .down)
        #expect(ContinuousClock.now - begun < .seconds(4))
        let body = ok(#"{"data":{"data":{"a":"1"},"metadata":{"version":1}}}"#)
        let server = try await HostileServer([HostileServer.trickle, lookup, body])
        let vault = try provider(server)
        #expect(try await vault.failure("secret/data/db#a").kind == .down)
        #expect(try await vault.value("secret/data/db#a").text == "1")
        await vault.close()
        await server.close()
    }

    @Test func `that sends us elsewhere does not get the token there`() async throws {
        let other = try await HostileServer([ok("{}")])
        let answer = HostileServer.answer("307 Elsewhere", "", "Location: \(other.address)/v1/secret/data/db")
        #expect(try await failure(answer).kind == .malformed)
        #expect(other.sent.text.isEmpty)
        await other.close()
    }
}
