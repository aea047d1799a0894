import Foundation
import Secrets
import Testing

@testable import Providers

private let token = "a-token-that-must-not-be-told"
private let secret = "a-secret-that-must-not-be-told"
private let value = "a-value-that-must-not-be-told"
private let version = String(repeating: "a", count: 32)
private let id = "https://x/secrets/db/\(version)"

/// 127.0.0.1 is under 0.0.1, as a vault's host is under its cloud's: so one server can be vault and login.
private let challenge = HostileServer.answer(
    "401 Unauthorized", "",
    #"WWW-Authenticate: Bearer authorization="http://127.0.0.1:{port}/t", resource="https://0.0.1:{port}""#)
private let login = HostileServer.answer("200 OK", #"{"access_token":"\#(token)","expires_in":3600}"#)

private func ok(_ body: String) -> String { HostileServer.answer("200 OK", body) }
private func bundle(_ attributes: String = #"{"enabled":true}"#, id: String = id) -> String {
    ok(#"{"value":"\#(value)","id":"\#(id)","attributes":\#(attributes)}"#)
}

private func provider(_ server: HostileServer) throws -> AzureKeyVault {
    let settings = [
        "vault_url": server.address, "authority_host": server.address, "tenant_id": "t", "client_id": "c",
        "client_secret": secret,
    ]
    return try AzureKeyVault(
        ProviderConfiguration(texts: settings), metadata: .metadataService, requestSeconds: 2)
}

/// How a read fails, from a server that answers so.
private func failure(_ answers: [String?], _ reference: String = "db") async throws -> ProviderFailure {
    let server = try await HostileServer(answers)
    let vault = try provider(server)
    let failure = try await vault.failure(reference)
    for text in [token, secret, value] { #expect(!failure.message.contains(text), "\(failure)") }
    #expect(failure.message.utf8.count <= ProviderFailure.maximumMessage)
    await vault.close()
    await server.close()
    return failure
}

private func failure(_ answer: String?) async throws -> ProviderFailure {
    try await failure([challenge, login, answer])
}

@Suite struct `A server that is no Azure, or lies` {
    @Test func `is believed where it does not`() async throws {
        let server = try await HostileServer([challenge, login, bundle()])
        let vault = try provider(server)
        #expect(try await vault.value("db") == (value, version))
        let sent = server.sent.text
        #expect(sent.contains("client_secret=\(secret)") && sent.contains("Authorization: Bearer \(token)"))
        #expect(sent.contains("scope=https%3A%2F%2F0.0.1%3A"))
        await vault.close()
        await server.close()
    }

    @Test(arguments: [
        ok(""), ok("null"), ok("[]"), ok(#""\#(value)""#), ok("{}"), ok(#"{"value":"\#(value)"}"#),
        ok(#"{"value":"\#(value)","id":"\#(id)"}"#),
        ok(#"{"value":null,"id":"\#(id)","attributes":{"enabled":true}}"#),
        ok(#"{"value":["\#(value)"],"id":"\#(id)","attributes":{"enabled":true}}"#),
        ok(#"{"value":1,"id":"\#(id)","attributes":{"enabled":true}}"#),
        ok(#"{"id":"\#(id)","attributes":{"enabled":true}}"#),
        ok(#"{"value":"1","value":"\#(value)","id":"\#(id)","attributes":{"enabled":true}}"#),
        ok(#"{"value":"\ud800","id":"\#(id)","attributes":{"enabled":true}}"#),
        bundle("{}"), bundle("null"), bundle("[]"), bundle(#"{"enabled":1}"#), bundle(#"{"enabled":null}"#),
        bundle(#"{"enabled":true,"exp":"soon"}"#), bundle(#"{"enabled":true,"exp":1e99}"#),
        bundle(#"{"enabled":true,"exp":99999999999999999999}"#), bundle(#"{"enabled":true,"nbf":{}}"#),
        bundle(#"{"enabled":true,"exp":null}"#), bundle(#"{"enabled":true,"exp":4102444800.5}"#),
        bundle(id: ""), bundle(id: "https://x/secrets/db"), bundle(id: "https://x/secrets/db/"),
        bundle(id: "https://x/secrets/other/\(version)"), bundle(id: "https://x/keys/db/\(version)"),
        bundle(id: "https://x/secrets/db/\(version)/more"), bundle(id: "https://x/secrets/db/..%2f"),
        ok(String(repeating: "[", count: 100_000)),
        ok(#"{"value":"\#(value)","id":"\#(id)","attributes":{"enabled":true}} x"#),
        HostileServer.answer("404 Not Found", ""),
        HostileServer.answer("404 Not Found", "<html>\(value)</html>"),
        HostileServer.answer("404 Not Found", #"{"error":{"code":"NotFound","message":"\#(value)"}}"#),
        HostileServer.answer("404 Not Found", #"{"error":"SecretNotFound"}"#),
        HostileServer.answer("204 No Content", ""), HostileServer.answer("418 Teapot", "{}"),
        HostileServer.answer("301 Moved", "", "Location: http://127.0.0.1:1/"),
    ])
    func `is malformed, not absent and not a value`(_ answer: String) async throws {
        #expect(try await failure(answer).kind == .malformed)
    }

    @Test(arguments: [
        bundle(#"{"enabled":false}"#), bundle(#"{"enabled":true,"nbf":4102444800}"#),
    ])
    func `that gives what must not be used is denied`(_ answer: String) async throws {
        #expect(try await failure(answer).kind == .denied)
    }

    @Test(arguments: [
        bundle(#"{"enabled":true,"exp":1}"#), bundle(#"{"enabled":true,"exp":-900000000000000000}"#),
    ])
    func `that gives what must not be used any more is told as such`(_ answer: String) async throws {
        let server = try await HostileServer([challenge, login, answer])
        let vault = try provider(server)
        let reading = try await vault.read(ProviderReference("db"), version: nil, known: nil)
        guard case .value(let found) = reading else { throw Unexpected() }
        #expect(try #require(found.expires) <= Timestamp(seconds: 1, nanoseconds: 0))
        await vault.close()
        await server.close()
    }

    @Test func `that answers another version than was asked for is malformed`() async throws {
        let server = try await HostileServer([challenge, login, bundle()])
        let vault = try provider(server)
        let other = String(repeating: "b", count: 32)
        #expect(try await vault.failure("db", version: other).kind == .malformed)
        #expect(try await vault.value("db", version: version).text == value)
        await vault.close()
        await server.close()
    }

    @Test func `that answers too much is not read to its end`() async throws {
        let long = String(repeating: "x", count: 8 << 20)
        #expect(try await failure(ok(#"{"value":"\#(long)"}"#)).kind == .malformed)
        let value = String(repeating: "x", count: SecretValue.maximumCount + 1)
        let answer = ok(#"{"value":"\#(value)","id":"\#(id)","attributes":{"enabled":true}}"#)
        #expect(try await failure(answer).kind == .malformed)
    }

    @Test(arguments: [
        ("500 Internal Server Error", ProviderFailure.Kind.down), ("502 Bad Gateway", .down),
        ("503 No", .down),
        ("429 Too Many Requests", .throttled), ("403 Forbidden", .denied), ("401 No", .denied),
    ])
    func `with a status of its own is that failure, whatever its body`(
        _ status: String, _ kind: ProviderFailure.Kind
    ) async throws {
        // After a 401 it is asked for a challenge and a token again.
        let answer = HostileServer.answer(status, "<\(value)>", "Retry-After: 7")
        let failure = try await failure([challenge, login, answer, challenge, login, answer])
        #expect(failure.kind == kind, "\(failure)")
    }

    @Test(arguments: ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"])
    func `that speaks no HTTP, or not to its end, is down in time`(_ answer: String) async throws {
        let begun = ContinuousClock.now
        #expect(try await failure(answer).kind == .down)
        #expect(try await failure([answer]).kind == .down)
        #expect(try await failure([challenge, answer]).kind == .down)
        #expect(ContinuousClock.now - begun < .seconds(12))
    }

    @Test func `that never answers is down in time, and a task that is cancelled does not wait for it`()
        async throws
    {
        let begun = ContinuousClock.now
        #expect(try await failure([challenge, nil]).kind == .down)
        #expect(.seconds(1)..<(.seconds(6)) ~= ContinuousClock.now - begun)
        for answers in [[challenge, nil], [challenge, login, nil]] as [[String?]] {
            let server = try await HostileServer(answers)
            let vault = try provider(server)
            let reading = Task { try await vault.failure("db") }
            try await Task.sleep(for: .milliseconds(300))
            let cancelled = ContinuousClock.now
            reading.cancel()
            _ = try? await reading.value
            #expect(ContinuousClock.now - cancelled < .seconds(1))
            await vault.close()
            await server.close()
        }
    }

    @Test func `that sends us elsewhere gets neither secret nor token there`() async throws {
        let other = try await HostileServer([ok("{}")])
        let answer = HostileServer.answer("307 Elsewhere", "", "Location: \(other.address)/secrets/db")
        #expect(try await failure([answer]).kind == .malformed)
        #expect(try await failure([challenge, answer]).kind == .malformed)
        #expect(try await failure(answer).kind == .malformed)
        #expect(other.sent.text.isEmpty)
        await other.close()
    }

    @Test(arguments: ["200 OK", "204 No Content", "404 Not Found", "401 Unauthorized"])
    func `that takes requests without a token, or says not where one is, gets none`(_ status: String)
        async throws
    {
        let server = try await HostileServer([HostileServer.answer(status, ""), login, bundle()])
        let vault = try provider(server)
        #expect(try await vault.failure("db").kind == .malformed)
        #expect(!server.sent.text.contains(secret) && !server.sent.text.contains("Authorization"))
        await vault.close()
        await server.close()
    }

    @Test func `that gives a token which is no header's value does not get it back`() async throws {
        let token = #"{"access_token":"a\r\nX-Other: b","expires_in":3600}"#
        #expect(try await failure([challenge, ok(token), bundle()]).kind == .malformed)
    }
}
