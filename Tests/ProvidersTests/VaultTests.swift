import Foundation
import Secrets
import Testing

@testable import Providers

@Suite(.serialized) struct `Vault, KV version 2` {
    private let bao: OpenBao

    init() throws { bao = try OpenBao() }

    @Test func `reads exact bytes, the field that is named, the newest or the version that is pinned`()
        async throws
    {
        try bao.run("kv", "put", "secret/db", "password=one", "user=me")
        try bao.run("kv", "put", "secret/db", "password=tw\no\"\\ é€😀", "user=me")
        let vault = try provider(bao)
        #expect(try await vault.value("secret/data/db#password") == ("tw\no\"\\ é€😀", "2"))
        #expect(try await vault.value("secret/data/db#password", version: "1") == ("one", "1"))
        #expect(try await vault.failure("secret/data/db").kind == .malformed)
        #expect(try await vault.failure("secret/data/db#other").kind == .absent)
        try bao.run("kv", "put", "secret/single", "anything=x")
        #expect(try await vault.value("secret/data/single").text == "x")
        try bao.run(
            "kv", "put", "secret/typed", "-", input: #"{"n": 1250, "t": true, "o": {"a": 1}, "z": null}"#)
        #expect(try await vault.value("secret/data/typed#n").text == "1250")
        #expect(try await vault.value("secret/data/typed#t").text == "true")
        #expect(try await vault.failure("secret/data/typed#o").kind == .malformed)
        #expect(try await vault.failure("secret/data/typed#z").kind == .malformed)
        await vault.close()
    }

    @Test func `what is known is not read again until it changes`() async throws {
        try bao.run("kv", "put", "secret/db", "password=one")
        let vault = try provider(bao)
        let reference = try ProviderReference("secret/data/db#password")
        guard case .value(let first) = try await vault.read(reference, version: nil, known: nil) else {
            throw Unexpected()
        }
        let one = first.version
        guard case .unchanged = try await vault.read(reference, version: nil, known: one) else {
            throw Unexpected()
        }
        try bao.run("kv", "put", "secret/db", "password=two")
        guard case .value(let found) = try await vault.read(reference, version: nil, known: one) else {
            throw Unexpected()
        }
        #expect(found.version.text.hasPrefix("2@") && found.value.text == "two")
        // Where policies do not let the metadata be read, the value is.
        let token = try bao.token(#"path "secret/data/*" { capabilities = ["read"] }"#)
        let other = try provider(bao, ["vault_token": token])
        guard case .value = try await other.read(reference, version: nil, known: found.version) else {
            throw Unexpected()
        }
    }

    @Test
    func `a secret that was put in another's place is a change, though its version has the same number`()
        async throws
    {
        try bao.run("kv", "put", "secret/again", "a=1")
        let vault = try provider(bao)
        let reference = try ProviderReference("secret/data/again#a")
        guard case .value(let first) = try await vault.read(reference, version: nil, known: nil) else {
            throw Unexpected()
        }
        try bao.run("kv", "metadata", "delete", "secret/again")
        try bao.run("kv", "put", "secret/again", "a=2")
        guard case .value(let second) = try await vault.read(reference, version: nil, known: first.version)
        else { throw Unexpected() }
        #expect(second.value.text == "2" && second.version != first.version)
    }

    @Test func `deleted, destroyed and never made are absent, and never empty`() async throws {
        try bao.run("kv", "put", "secret/gone", "a=1")
        try bao.run("kv", "put", "secret/destroyed", "a=1")
        try bao.run("kv", "delete", "secret/gone")
        try bao.run("kv", "destroy", "-mount=secret", "-versions=1", "destroyed")
        let vault = try provider(bao)
        for name in ["gone", "destroyed", "never"] {
            #expect(try await vault.failure("secret/data/\(name)#a").kind == .absent, "\(name)")
        }
        #expect(try await vault.failure("secret/data/gone#a", version: "1").kind == .absent)
        #expect(try await vault.failure("secret/data/gone#a", version: "7").kind == .absent)
        // Also where the newest is known.
        let reference = try ProviderReference("secret/data/gone#a")
        await #expect(throws: ProviderFailure.self) {
            try await vault.read(reference, version: nil, known: ProviderVersion("1"))
        }
        // A mount that is not there says nothing of the secret.
        #expect(try await vault.failure("nowhere/data/db#a").kind == .malformed)
        try bao.run("kv", "undelete", "-mount=secret", "-versions=1", "gone")
        #expect(try await vault.value("secret/data/gone#a").text == "1")
    }

    @Test func `denied is what policies and revoked tokens are, and a new token or policy ends it`()
        async throws
    {
        try bao.run("kv", "put", "secret/db", "password=one")
        try bao.run(
            "policy", "write", "some", "-", input: #"path "secret/data/other" { capabilities = ["read"] }"#)
        let token = try bao.run("token", "create", "-field=token", "-policy=some")
        let vault = try provider(bao, ["vault_token": token])
        let failure = try await vault.failure("secret/data/db#password")
        #expect(failure.kind == .denied && !failure.message.contains(token))
        try bao.run(
            "policy", "write", "some", "-", input: #"path "secret/data/*" { capabilities = ["read"] }"#)
        #expect(try await vault.value("secret/data/db#password").text == "one")
        try bao.run("token", "revoke", token)
        #expect(try await vault.failure("secret/data/db#password").kind == .denied)
        let stranger = try provider(bao, ["vault_token": "nobodys"])
        #expect(try await stranger.failure("secret/data/db#password").kind == .denied)
    }

    @Test func `throttled is what a quota brings about`() async throws {
        try bao.run("kv", "put", "secret/db", "password=one")
        let vault = try provider(bao)
        _ = try await vault.value("secret/data/db#password")
        try bao.run("write", "sys/quotas/rate-limit/all", "rate=1", "interval=1m")
        var last: ProviderFailure?
        for _ in 0..<5 where last == nil { last = try? await vault.failure("secret/data/db#password") }
        let failure = try #require(last)
        #expect(failure.kind == .throttled, "\(failure)")
    }

    @Test func `down is sealed, killed and not there`() async throws {
        try bao.run("kv", "put", "secret/db", "password=one")
        let vault = try provider(bao)
        _ = try await vault.value("secret/data/db#password")
        try bao.run("operator", "seal")
        #expect(try await vault.failure("secret/data/db#password").kind == .down)
        bao.kill()
        let failure = try await vault.failure("secret/data/db#password")
        #expect(failure.kind == .down && failure.message.contains("127.0.0.1"), "\(failure)")
        #expect(try await provider(bao).failure("secret/data/db#password").kind == .down)
    }

    @Test func `writes on conditions, and deletes all of it`() async throws {
        let vault = try provider(bao)
        let reference = try ProviderReference("secret/data/nlp/Summarizer/TOKEN")
        let first = try await vault.write(SecretValue("one\n\"é"), to: reference, if: .absent)
        #expect(first.text.hasPrefix("1@"))
        #expect(try await vault.value(reference.description).text == "one\n\"é")
        await #expect(throws: ProviderFailure.self) {
            try await vault.write(SecretValue("x"), to: reference, if: .absent)
        }
        _ = try await vault.write(SecretValue(""), to: reference, if: .version(first))
        #expect(try await vault.value(reference.description) == ("", "2"))
        do throws(ProviderFailure) {
            _ = try await vault.write(try! SecretValue("x"), to: reference, if: .version(first))
            Issue.record("it was written")
        } catch { #expect(error.kind == .conflict) }
        #expect(try await vault.write(SecretValue("three"), to: reference, if: .any).text.hasPrefix("3@"))
        try await vault.delete(reference)
        try await vault.delete(reference)
        #expect(try await vault.failure(reference.description).kind == .absent)
        #expect(try await vault.failure(reference.description, version: "2").kind == .absent)
        // After a deletion that keeps versions, too.
        _ = try await vault.write(SecretValue("again"), to: reference, if: .absent)
        try bao.run("kv", "delete", "secret/nlp/Summarizer/TOKEN")
        #expect(try await vault.write(SecretValue("anew"), to: reference, if: .absent).text.hasPrefix("2@"))
        // What others keep there is not lost.
        try bao.run("kv", "put", "secret/shared", "a=1", "b=2")
        do throws(ProviderFailure) {
            _ = try await vault.write(
                try! SecretValue("x"), to: ProviderReference(known: "secret/data/shared#a"), if: .any)
            Issue.record("it was written")
        } catch { #expect(error.kind == .conflict) }
        let bytes: [UInt8] = [0xFF, 0xFE]
        do throws(ProviderFailure) {
            _ = try await vault.write(try! SecretValue(copying: bytes.span.bytes), to: reference, if: .any)
            Issue.record("it was written")
        } catch { #expect(error.kind == .malformed) }
    }

    @Test func `knows namespaces`() async throws {
        try bao.run("namespace", "create", "team")
        try bao.run("secrets", "enable", "-namespace=team", "-path=secret", "-version=2", "kv")
        try bao.run("kv", "put", "-namespace=team", "secret/db", "password=of-team")
        #expect(
            try await provider(bao, ["vault_namespace": "team"]).value("secret/data/db#password").text
                == "of-team")
        #expect(try await provider(bao).failure("secret/data/db#password").kind == .absent)
    }

    @Test func `a test says in words what was found`() async throws {
        try bao.run("kv", "put", "secret/db", "password=12345")
        let vault = try provider(bao)
        let lines = try await vault.test(ProviderReference("secret/data/db#password"))
        #expect(lines.count == 2 && lines[1].contains("version 1, 5 bytes"), "\(lines)")
        #expect(try await vault.test(nil).count == 2)
    }
}

@Suite(.serialized) struct `Vault, KV version 1` {
    @Test func `reads, notices changes, writes and deletes`() async throws {
        let bao = try OpenBao()
        try bao.run("secrets", "enable", "-path=kv", "-version=1", "kv")
        try bao.run("kv", "put", "kv/db", "password=one")
        let vault = try provider(bao, ["kv_version": "1"])
        let reference = try ProviderReference("kv/db#password")
        let first = try await vault.value("kv/db#password")
        #expect(first.text == "one")
        guard
            case .unchanged = try await vault.read(
                reference, version: nil, known: ProviderVersion(first.version))
        else {
            throw Unexpected()
        }
        try bao.run("kv", "put", "kv/db", "password=two")
        let second = try await vault.value("kv/db#password")
        #expect(second.text == "two" && second.version != first.version)
        #expect(try await vault.failure("kv/db#password", version: "1").kind == .malformed)
        #expect(try await vault.failure("kv/nothing#password").kind == .absent)
        let made = try await vault.write(SecretValue("three"), to: reference, if: .any)
        #expect(try await vault.value("kv/db#password").version == made.text)
        try await vault.delete(reference)
        #expect(try await vault.failure("kv/db#password").kind == .absent)
        // Neither our own token, nor anything else that Vault answers, is a secret.
        for path in [
            "auth/token/lookup-self#id", "AUTH/token/lookup-self#id", "sys/health#version",
            "identity/entity/id#keys",
            "cubbyhole/a#b",
        ] {
            #expect(try await vault.failure(path).kind == .malformed, "\(path)")
        }
        try bao.run("kv", "put", "kv/token", "a=\(OpenBao.root)")
        #expect(try await vault.failure("kv/token#a").kind == .malformed)
        // The other version's paths are not taken for this one's, also where the mount was made one of it.
        try bao.run("kv", "put", "kv/db", "password=four")
        try bao.run("kv", "enable-versioning", "kv/")
        var after = try await vault.failure("kv/db#password")
        for _ in 0..<50 where after.kind != .malformed {
            try await Task.sleep(for: .milliseconds(100))
            after = try await vault.failure("kv/db#password")
        }
        #expect(after.kind == .malformed, "\(after)")
        #expect(try await self.wrong(bao).kind == .malformed)
    }

    private func wrong(_ bao: OpenBao) async throws -> ProviderFailure {
        try await provider(bao).failure("kv/db#password")
    }
}
