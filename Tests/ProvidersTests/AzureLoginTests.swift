import Foundation
import Secrets
import Testing

@testable import Providers

@Suite(.serialized) struct `Azure logins` {
    private let double: AzureDouble

    init() throws {
        double = try AzureDouble()
        try double.put("db", "one")
    }

    @Test func `by a client's secret, once for all who wait`() async throws {
        let vault = try double.provider()
        try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<20 { group.addTask { try await vault.value("db").text } }
            for try await text in group { #expect(text == "one") }
        }
        let state = try double.tell()
        #expect(state.logins == 1 && state.tokens == 1 && state.tokensSent == 20)
        await vault.close()
    }

    @Test func `with a wrong secret, client or tenant are denied, and say what to look up`() async throws {
        let secret = "a-wrong-secret-not-to-be-told"
        for (settings, words) in [
            (["client_secret": secret], "AADSTS7000215"), (["client_id": "nobody"], "AADSTS700016"),
            (["tenant_id": "99999999-2222-3333-4444-555555555555"], "tenant_id"),
        ] {
            let failure = try await double.provider(settings).failure("db")
            #expect(failure.kind == .denied && failure.message.contains(words), "\(failure)")
            #expect(!failure.message.contains(secret))
        }
        #expect(try double.tell().tokensSent == 0)
        // A tenant that is another's name, which no challenge tells.
        #expect(
            try await double.provider(["tenant_id": "elsewhere.example"]).failure("db").kind == .malformed)
    }

    @Test func `by a federated token, read anew for each login`() async throws {
        let file = NSTemporaryDirectory() + "assertion-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try "e30.e30.first\n".write(toFile: file, atomically: true, encoding: .utf8)
        try double.tell(#"{"assertions": ["e30.e30.first"]}"#)
        let vault = try double.provider(["login": "workload_identity", "client_secret": "", "jwt_file": file])
        #expect(try await vault.value("db").text == "one")
        try double.tell(#"{"assertions": ["e30.e30.second"], "revoke": true}"#)
        let failure = try await vault.failure("db")
        #expect(failure.kind == .denied && failure.message.contains("AADSTS700024"), "\(failure)")
        try "e30.e30.second".write(toFile: file, atomically: true, encoding: .utf8)
        #expect(try await vault.value("db").text == "one")
        try FileManager.default.removeItem(atPath: file)
        try double.tell(#"{"revoke": true}"#)
        let missing = try await vault.failure("db")
        #expect(missing.kind == .denied && missing.message.contains(file), "\(missing)")
    }

    @Test func `of the machine, by its metadata service`() async throws {
        let vault = try double.provider(["login": "managed_identity", "client_id": "", "client_secret": ""])
        #expect(try await vault.value("db").text == "one")
        let named = try double.provider(["login": "managed_identity", "client_secret": ""])
        #expect(try await named.value("db").text == "one")
        let stranger = try double.provider(["login": "managed_identity", "client_id": "a&resource=b"])
        #expect(try await stranger.failure("db").kind == .denied)
        for (status, kind) in [
            (404, ProviderFailure.Kind.down), (410, .down), (500, .down), (429, .throttled),
            (302, .malformed),
        ] {
            try double.tell(#"{"login_fail": [[\#(status), {"Retry-After": "9"}, {}]], "revoke": true}"#)
            #expect(try await vault.failure("db").kind == kind, "\(status)")
        }
        #expect(try await vault.value("db").text == "one")
        #expect(ProviderURL.metadataService.origin == "http://169.254.169.254")
    }

    @Test func `that fail are what they are, and are not repeated`() async throws {
        let vault = try double.provider()
        let error = #"{"error": "temporarily_unavailable", "error_description": "AADSTS90033: x"}"#
        for (status, body, kind) in [
            (429, "{}", ProviderFailure.Kind.throttled), (503, "{}", .down), (400, error, .down),
            (400, "{}", .malformed), (404, "{}", .malformed), (307, "{}", .malformed),
            (200, "{}", .malformed),
            (200, #"{"access_token": "", "expires_in": 10}"#, .malformed),
            (200, #"{"access_token": "token"}"#, .malformed),
            (200, #"{"access_token": "token", "expires_in": 0}"#, .malformed),
            (200, #"{"access_token": "to\nken", "expires_in": 10}"#, .malformed),
            (200, #"{"access_token": "token", "expires_in": 10, "token_type": "pop"}"#, .malformed),
        ] {
            try double.tell(#"{"login_fail": [[\#(status), {}, \#(body)]], "forget": true}"#)
            let failure = try await double.provider().failure("db")
            #expect(failure.kind == kind, "\(status) \(body): \(failure)")
            let state = try double.tell()
            #expect(state.logins == 1 && state.tokensSent == 0)
        }
        #expect(try await vault.value("db").text == "one")
    }

    @Test func `are done again when a token has ended or is refused, and once`() async throws {
        try double.tell(#"{"lifetime": 2}"#)
        let vault = try double.provider()
        #expect(try await vault.value("db").text == "one")
        try await Task.sleep(for: .seconds(2.2))
        #expect(try await vault.value("db").text == "one")
        #expect(try double.tell().logins == 2)
        try double.tell(#"{"lifetime": 3600, "revoke": true}"#)
        #expect(try await vault.value("db").text == "one")
        #expect(try double.tell().logins == 3)
        // Refused twice: it is no use.
        let refusal = #"[401, {}, {"error": {"code": "Unauthorized", "message": "x"}}]"#
        try double.tell(#"{"fail": [\#(refusal), \#(refusal)], "forget": true}"#)
        #expect(try await vault.failure("db").kind == .denied)
        let state = try double.tell()
        #expect(state.logins == 1 && state.tokensSent == 2)
    }

    @Test func `that fail before a token has ended leave it in use`() async throws {
        try double.tell(#"{"lifetime": 6}"#)
        let vault = try double.provider()
        #expect(try await vault.value("db").text == "one")
        try await Task.sleep(for: .seconds(3.2))
        try double.tell(#"{"login_fail": [[503, {}, {}]], "forget": true}"#)
        #expect(try await vault.value("db").text == "one")
        #expect(try await vault.value("db").text == "one")
        #expect(try double.tell().logins == 1)
        try await Task.sleep(for: .seconds(3))
        #expect(try await vault.value("db").text == "one")
        #expect(try double.tell().logins == 2)
    }

    @Test func `need a certificate that is trusted`() async throws {
        let failure = try await double.provider(["ca_certificate": ""]).failure("db")
        #expect(failure.kind == .down && failure.message.contains("trusted"), "\(failure)")
        #expect(try double.tell().log.isEmpty)
    }
}

@Suite(.serialized) struct `Azure challenges` {
    private let double: AzureDouble

    init() throws {
        double = try AzureDouble()
        try double.put("db", "one")
    }

    /// > Both are checked before a token is asked for — docs/PROVIDERS.md#azure-key-vault
    @Test(arguments: ["client_secret", "managed_identity"])
    func `that name what the vault is no part of, or another login, bring no token`(_ login: String)
        async throws
    {
        let (tokens, port) = (double.place.login, try #require(double.place.vault.split(separator: ":").last))
        let right = "https://vault.azure.test:\(port)"
        for challenge in [
            #"Bearer authorization="\#(tokens)/t", resource="https://elsewhere.test:\#(port)""#,
            #"Bearer authorization="\#(tokens)/t", resource="https://vault.azure.test""#,
            #"Bearer authorization="\#(tokens)/t", resource="https://ault.azure.test:\#(port)""#,
            #"Bearer authorization="\#(tokens)/t", resource="\#(right)/more""#,
            #"Bearer authorization="\#(tokens)/t", scope="https://elsewhere.test/.default""#,
            #"Bearer authorization="https://evil.test/t", resource="\#(right)""#,
            #"Bearer authorization="https://login.microsoftonline.com/t", resource="\#(right)""#,
            #"Bearer authorization="\#(tokens.replacingOccurrences(of: "https", with: "http"))/t", resource="\#(right)""#,
            #"Bearer authorization="\#(tokens)@evil.test/t", resource="\#(right)""#,
            #"Bearer resource="\#(right)""#, #"Basic realm="x""#, "Bearer", "",
        ] {
            let text = String(decoding: try JSONEncoder().encode(challenge), as: UTF8.self)
            try double.tell(#"{"reset": true, "challenge": \#(text)}"#)
            let failure = try await double.provider(["login": login]).failure("db")
            #expect(failure.kind == .malformed, "\(challenge): \(failure)")
            let state = try double.tell()
            #expect(state.tokens == 0 && state.logins == 0 && state.tokensSent == 0, "\(challenge)")
            #expect(state.log.count == 1)
        }
        // The alarm does not ring all the time: with a scope, and the rest as it is.
        let scope = #"Bearer authorization=\"\#(tokens)/t\", scope=\"\#(right)/.default\""#
        try double.tell(#"{"reset": true, "challenge": "\#(scope)", "put": {"name": "db", "value": "one"}}"#)
        #expect(try await double.provider(["login": login]).value("db").text == "one")
    }

    private func challenge(
        _ text: String, _ vault: String = "https://team.vault.azure.net", allowed: String? = nil
    ) throws -> AzureChallenge {
        try AzureChallenge(
            [text], of: ProviderURL(vault, setting: "vault_url"),
            allowed: try allowed.map { try ProviderURL($0, setting: "authority_host") })
    }

    @Test(arguments: [
        ("login.microsoftonline.com", "vault.azure.net"), ("login.windows.net", "vault.azure.net"),
        ("login.microsoftonline.us", "vault.usgovcloudapi.net"),
        ("login.chinacloudapi.cn", "vault.azure.cn"), ("Login.MicrosoftOnline.com", "Vault.Azure.Net"),
    ])
    func `of Microsoft's clouds are taken`(_ login: String, _ resource: String) throws {
        let vault = "https://team.\(resource.lowercased()):443"
        let found = try challenge(
            #"Bearer authorization="https://\#(login)/tenant", resource="https://\#(resource)""#, vault)
        #expect(found.authority.host == login && found.tenant == "tenant")
        #expect(found.scope == "https://\(resource)/.default")
        let other = #"Bearer authorization_uri=https://\#(login)/tenant,scope=https://\#(resource)/.default"#
        #expect(try challenge(other, vault) == found)
        // Where an administrator has set another, this one is not.
        #expect(throws: ProviderFailure.self) {
            try challenge(other, vault, allowed: "https://login.azure.test")
        }
    }

    @Test(arguments: [
        "https://login.microsoftonline.com.evil.test/t", "https://evil.test/login.microsoftonline.com",
        "https://evil.test#login.microsoftonline.com", "https://login.microsoftonline.com:8443/t",
        "https://login.microsoftonline.com@evil.test/t", "http://login.microsoftonline.com/t",
        "https://xlogin.microsoftonline.com/t", "https:///t", "login.microsoftonline.com", "",
        "https://127.0.0.1/t", "http://127.0.0.1/t",
    ])
    func `of other logins are not`(_ login: String) {
        #expect(throws: ProviderFailure.self) {
            try challenge(#"Bearer authorization="\#(login)", resource="https://vault.azure.net""#)
        }
    }

    @Test(arguments: [
        #"resource="https://vault.azure.net", resource="https://vault.azure.net""#,
        #"resource="https://azure.net.evil.test""#, #"resource="http://vault.azure.net""#,
        #"resource="https://team.vault.azure.net""#, #"resource="vault.azure.net""#,
        #"resource="https://""#, #"resource="https://vault.azure.net"#, #"resource=""#, "resource",
        #"scope="https://vault.azure.net/other""#, #"scope="https://net@vault.azure.net/.default""#,
    ])
    func `of other things are not`(_ text: String) {
        #expect(throws: ProviderFailure.self) {
            try challenge(#"Bearer authorization="https://login.microsoftonline.com/t", \#(text)"#)
        }
    }
}

@Suite struct `Azure settings` {
    @Test(arguments: [
        (["vault_url": ""], "vault_url"), (["vault_url": "http://team.vault.azure.net"], "vault_url"),
        (["vault_url": "https://team.vault.azure.net/secrets"], "vault_url"),
        (["login": "password"], "login"), (["tenant_id": ""], "tenant_id"),
        (["tenant_id": "a/../b"], "tenant_id"),
        (["tenant_id": ".."], "tenant_id"), (["client_id": ""], "client_id"),
        (["client_secret": ""], "client_secret"), (["authority_host": "http://login.test"], "authority_host"),
        (["authority_host": "https://login.test/tenant"], "authority_host"),
        (["ca_certificate": "none"], "ca_certificate"),
        (["vault_secret_prefix": "a_b"], "vault_secret_prefix"),
    ])
    func `that are none are refused, and named`(_ settings: [String: String], _ name: String) throws {
        let all = [
            "vault_url": "https://team.vault.azure.net", "tenant_id": "t", "client_id": "c",
            "client_secret": "s",
        ]
        _ = try AzureKeyVault(ProviderConfiguration(texts: all))
        let wrong = all.merging(settings) { _, new in new }
        let error = #expect(throws: ProviderFailure.self) {
            try AzureKeyVault(ProviderConfiguration(texts: wrong))
        }
        #expect(
            error?.kind == .malformed && error?.message.contains(name) == true, "\(String(describing: error))"
        )
    }
}
