import Foundation
import Secrets
import Testing

@testable import Providers

private let policy = #"path "secret/data/*" { capabilities = ["read"] }"#

@Suite(.serialized) struct `Logging in to Vault` {
    private let bao: OpenBao

    init() throws {
        bao = try OpenBao()
        try bao.run("kv", "put", "secret/db", "password=one")
        try bao.run("policy", "write", "reader", "-", input: policy)
    }

    private func role(_ options: String) throws -> [String: String] {
        try bao.run("auth", "enable", "approle")
        try bao.run("write", "auth/approle/role/app", "token_policies=reader", options)
        return [
            "login": "approle",
            "role_id": try bao.run("read", "-field=role_id", "auth/approle/role/app/role-id"),
            "secret_id": try bao.run("write", "-f", "-field=secret_id", "auth/approle/role/app/secret-id"),
        ]
    }

    @Test func `by AppRole, again when the lease has ended, once for all who wait`() async throws {
        let vault = try provider(bao, try role("token_ttl=2s"))
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 { group.addTask { try await vault.value("secret/data/db#password").text } }
            for try await text in group { #expect(text == "one") }
        }
        let count = try bao.run("list", "-format=json", "auth/token/accessors").split(separator: ",").count
        // The root's and one login's.
        #expect(count == 2, "\(count)")
        try await Task.sleep(for: .seconds(3))
        #expect(try await vault.value("secret/data/db#password").text == "one")
    }

    @Test func `again when the token was revoked`() async throws {
        let vault = try provider(bao, try role("token_ttl=1h"))
        #expect(try await vault.value("secret/data/db#password").text == "one")
        for accessor in try accessors() { _ = try? bao.run("token", "revoke", "-accessor", accessor) }
        #expect(try await vault.value("secret/data/db#password").text == "one")
        // And not again and again where policies say no.
        try bao.run(
            "policy", "write", "reader", "-", input: #"path "secret/data/no" { capabilities = ["read"] }"#)
        #expect(try await vault.failure("secret/data/db#password").kind == .denied)
    }

    private func accessors() throws -> [String] {
        let root = try bao.run("token", "lookup", "-field=accessor")
        return try bao.run("list", "-format=json", "auth/token/accessors").split(whereSeparator: {
            "[]\", \n".contains($0)
        })
        .map(String.init).filter { $0 != root }
    }

    @Test func `by a secret id that comes wrapped, which nobody can unwrap twice`() async throws {
        var settings = try role("token_ttl=2s")
        settings["secret_id"] = nil
        settings["wrapped_secret_id"] = try bao.run(
            "write", "-f", "-wrap-ttl=60s", "-field=wrapping_token", "auth/approle/role/app/secret-id")
        let given = try ProviderConfiguration(
            texts: ["vault_addr": bao.address].merging(settings) { _, new in new })
        let exchanged = try await ProviderFactory.exchange(.vault, given)
        #expect(exchanged["wrapped_secret_id"] == nil)
        for _ in 0..<2 {
            let vault = try Vault(exchanged)
            #expect(try await vault.value("secret/data/db#password").text == "one")
        }
        let failure = await #expect(throws: ProviderFailure.self) {
            try await ProviderFactory.exchange(.vault, given)
        }
        #expect(failure?.kind == .denied && failure?.message.contains("unwrapped before") ?? false)
    }

    /// Each login leaves a token behind, which lives for as long as its role says.
    @Test func `once, though policies say no again and again`() async throws {
        try bao.run(
            "policy", "write", "reader", "-", input: #"path "secret/data/db" { capabilities = ["read"] }"#)
        let vault = try provider(bao, try role("token_ttl=1h"))
        let reference = try ProviderReference("secret/data/db#password")
        guard case .value(let first) = try await vault.read(reference, version: nil, known: nil) else {
            throw CancellationError()
        }
        let before = try accessors().count
        for _ in 0..<5 {
            guard case .value = try await vault.read(reference, version: nil, known: first.version) else {
                throw CancellationError()
            }
            #expect(try await vault.failure("secret/data/other#x").kind == .denied)
        }
        #expect(try accessors().count == before)
    }

    @Test func `with a wrong secret id is denied, and tells nothing of it`() async throws {
        var settings = try role("token_ttl=1h")
        settings["secret_id"] = "a-wrong-one"
        let failure = try await provider(bao, settings).failure("secret/data/db#password")
        #expect(failure.kind == .denied && !failure.message.contains("a-wrong-one"), "\(failure)")
    }

    @Test func `by a JWT whose file is read anew for each login`() async throws {
        // A key pair, and a token that it signs: openssl does what an issuer does.
        let (key, publicKey, file) = (
            bao.folder + "/key.pem", bao.folder + "/public.pem", bao.folder + "/token"
        )
        try shell(
            "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out \(key) 2>/dev/null && openssl pkey -in \(key) -pubout -out \(publicKey)"
        )
        try bao.run("auth", "enable", "jwt")
        try bao.run("write", "auth/jwt/config", "jwt_validation_pubkeys=@\(publicKey)")
        try bao.run(
            "write", "auth/jwt/role/app", "-",
            input:
                #"{"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["reader"], "token_ttl": "2s"}"#
        )
        let settings = ["login": "jwt", "role": "app", "jwt_file": file]
        let vault = try provider(bao, settings)
        #expect(try await vault.failure("secret/data/db#password").kind == .denied)
        try "no token\n".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try await vault.failure("secret/data/db#password").kind != .absent)
        try shell(
            """
            b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
            now=$(date +%s)
            head=$(printf '{"alg":"RS256","typ":"JWT"}' | b64)
            body=$(printf '{"sub":"app","aud":"vault","iat":%d,"nbf":%d,"exp":%d}' $now $((now-10)) $((now+600)) | b64)
            sign=$(printf '%s.%s' "$head" "$body" | openssl dgst -sha256 -sign \(key) -binary | b64)
            printf '%s.%s.%s\\n' "$head" "$body" "$sign" > \(file)
            """)
        #expect(try await vault.value("secret/data/db#password").text == "one")
    }

    private func shell(_ script: String) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-ec", script]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "\(script)")
    }

    @Test func `by a certificate, over TLS with a CA of one's own`() async throws {
        let bao = try OpenBao(tls: true)
        try bao.run("kv", "put", "secret/db", "password=one")
        try bao.run("policy", "write", "reader", "-", input: policy)
        let (key, certificate) = (bao.folder + "/client.key", bao.folder + "/client.pem")
        try shell(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=app -addext extendedKeyUsage=clientAuth -keyout \(key) -out \(certificate) 2>/dev/null"
        )
        try bao.run("auth", "enable", "cert")
        try bao.run("write", "auth/cert/certs/app", "token_policies=reader", "certificate=@\(certificate)")
        func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
        var settings = [
            "login": "cert", "role": "app", "client_certificate": try text(certificate),
            "client_key": try text(key),
            "ca_certificate": try text(bao.authority),
        ]
        #expect(try await provider(bao, settings).value("secret/data/db#password").text == "one")
        // A server whose CA nobody named is not spoken to.
        settings["ca_certificate"] = nil
        let failure = try await provider(bao, settings).failure("secret/data/db#password")
        #expect(failure.kind == .down && failure.message.contains("trusted"), "\(failure)")
    }
}

@Suite struct `Settings of a Vault` {
    /// Of a server that is never asked.
    private func settled(_ settings: [String: String]) throws -> Vault {
        let all = ["vault_addr": "https://127.0.0.1:1", "vault_token": "x"].merging(settings) { _, new in new
        }
        return try Vault(ProviderConfiguration(texts: all))
    }

    @Test(arguments: [
        (["vault_addr": "http://vault.example.org:8200"], "vault_addr"),
        (["vault_addr": "https://a/b"], "vault_addr"),
        (["vault_addr": "https://user@host"], "vault_addr"),
        (["vault_addr": "https://h\r\nX: y"], "vault_addr"),
        (["login": "magic"], "login"), (["kv_version": "3"], "kv_version"),
        (["login": "approle"], "secret_id"),
        (["auth_mount": "../sys", "login": "approle", "role_id": "r", "secret_id": "s"], "auth_mount"),
        (["vault_namespace": "a\r\nX-Vault-Token: b"], "vault_namespace"),
        (["ca_certificate": "no certificate"], "ca_certificate"),
        (["login": "cert", "client_certificate": "x", "client_key": "y"], "client_certificate"),
    ])
    func `that are none are refused, and named`(
        _ settings: [String: String], _ name: String
    ) throws {
        let error = #expect(throws: ProviderFailure.self) { try settled(settings) }
        #expect(
            error?.kind == .malformed && error?.message.contains(name) == true, "\(String(describing: error))"
        )
    }

    @Test(arguments: [
        "secret/db#a", "data/db#a", "secret/data#a", "secret/data/../x#a", "secret/data//x#a",
        "secret/data/./x#a",
    ])
    func `take no reference that is another path on the way`(_ reference: String) async throws {
        #expect(try await settled([:]).failure(reference).kind == .malformed)
    }
}
