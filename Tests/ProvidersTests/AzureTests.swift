import Foundation
import Secrets
import Testing

@testable import Providers

@Suite(.serialized) struct `Azure Key Vault` {
    private let double: AzureDouble
    private let vault: AzureKeyVault

    init() throws {
        double = try AzureDouble()
        vault = try double.provider()
    }

    private func read(_ reference: String, known: String) async throws -> ProviderReading {
        try await vault.read(ProviderReference(reference), version: nil, known: ProviderVersion(known))
    }

    @Test func `reads exact bytes, the newest or the version that is pinned, in any case of its name`()
        async throws
    {
        try double.put("db-password", "one")
        let first = try await vault.value("db-password")
        try double.put("db-password", "tw\no\"\\ é€😀\u{0}")
        let second = try await vault.value("DB-Password")
        #expect(first.text == "one" && second.text == "tw\no\"\\ é€😀\u{0}")
        #expect(first.version != second.version && first.version.utf8.count == 32)
        #expect(try await vault.value("db-password", version: first.version) == first)
        #expect(try await vault.value("db-password", version: second.version) == second)
        for wrong in ["../db-password", "a/b", "x?y", first.version + "-"] {
            #expect(try await vault.failure("db-password", version: wrong).kind == .malformed, "\(wrong)")
        }
        for wrong in ["db_password", "a/b", "secrets/db-password", "a.b", String(repeating: "a", count: 128)]
        {
            #expect(try await vault.failure(wrong).kind == .malformed, "\(wrong)")
        }
        await vault.close()
    }

    @Test func `takes the field that is named out of a value that is JSON`() async throws {
        try double.put(
            "db", #"{"user": "me", "password": "ö\n", "port": 5432.0, "tls": true, "no": null, "o": {}}"#)
        #expect(try await vault.value("db#password").text == "ö\n")
        #expect(try await vault.value("db#port").text == "5432.0")
        #expect(try await vault.value("db#tls").text == "true")
        #expect(try await vault.failure("db#no").kind == .malformed)
        #expect(try await vault.failure("db#o").kind == .malformed)
        #expect(try await vault.failure("db#other").kind == .absent)
        try double.put("plain", "not-JSON-and-not-to-be-told")
        let failure = try await vault.failure("plain#a")
        #expect(failure.kind == .malformed && !failure.message.contains("not-JSON"), "\(failure)")
        try double.put("list", #"["a"]"#)
        #expect(try await vault.failure("list#a").kind == .malformed)
    }

    @Test func `what is known is unchanged until there is a newer version, or an end of its time`()
        async throws
    {
        try double.put("db", "one")
        let first = try await vault.value("db").version
        guard case .unchanged = try await read("db", known: first) else { throw Unexpected() }
        let end = Int(Date().timeIntervalSince1970) + 1000
        try double.tell(#"{"patch": {"name": "db", "attributes": {"exp": \#(end)}}}"#)
        guard case .value(let ending) = try await read("db", known: first) else { throw Unexpected() }
        #expect(ending.expires == Timestamp(seconds: Int64(end), nanoseconds: 0))
        #expect(ending.version.text == first)
        try double.put("db", "two")
        guard case .value(let second) = try await read("db", known: first) else { throw Unexpected() }
        #expect(second.value.text == "two" && second.version.text != first && second.expires == nil)
    }

    @Test func `absent is what was never made or is deleted, and a version that is not there`() async throws {
        try double.put("gone", "1")
        let version = try await vault.value("gone").version
        #expect(try await vault.failure("gone", version: String(repeating: "0", count: 32)).kind == .absent)
        try double.tell(#"{"delete": "gone"}"#)
        #expect(try await vault.failure("gone").kind == .absent)
        #expect(try await vault.failure("gone", version: version).kind == .absent)
        #expect(try await vault.failure("never").kind == .absent)
    }

    /// > Key Vault gives a value whatever `nbf` and `exp` say; they are kept here — docs/PROVIDERS.md#azure-key-vault
    @Test func `a secret that is disabled or not yet to be used is denied, and an end that has come is told`()
        async throws
    {
        let now = Int(Date().timeIntervalSince1970)
        try double.put("db", "one")
        let version = try await vault.value("db").version
        for (attributes, word) in [
            (#""enabled": false"#, "disabled"), (#""enabled": true, "nbf": \#(now + 1000)"#, "nbf"),
        ] {
            try double.tell(#"{"patch": {"name": "db", "attributes": {\#(attributes)}}}"#)
            for pinned in [nil, version] {
                let failure = try await vault.failure("db", version: pinned)
                #expect(failure.kind == .denied && failure.message.contains(word), "\(failure)")
            }
            let known = await #expect(throws: ProviderFailure.self) { try await read("db", known: version) }
            #expect(known?.kind == .denied)
        }
        for end in [Int64(now), 0, -1] {
            try double.tell(#"{"patch": {"name": "db", "attributes": {"nbf": 1, "exp": \#(end)}}}"#)
            guard case .value(let ended) = try await read("db", known: version) else { throw Unexpected() }
            #expect(ended.expires == Timestamp(seconds: max(end, 0), nanoseconds: 0))
        }
        try double.tell(#"{"patch": {"name": "db", "attributes": {"exp": 253402300800}}}"#)
        #expect(try await vault.value("db").text == "one")
    }

    @Test func `its end is kept to the second`() async throws {
        let end = Int64(Date().timeIntervalSince1970) + 2
        try double.put("db", "one", #"{"exp": \#(end)}"#)
        #expect(try await vault.value("db").text == "one")
        let other = String(repeating: "0", count: 32)
        guard case .value(let found) = try await read("db", known: other) else { throw Unexpected() }
        #expect(found.expires == Timestamp(seconds: end, nanoseconds: 0))
    }

    @Test func `a role that is missing and a firewall are denied, and named`() async throws {
        try double.put("db", "one")
        try double.tell(#"{"permissions": ["list"]}"#)
        let role = try await vault.failure("db")
        #expect(role.kind == .denied && role.message.contains("role"), "\(role)")
        #expect(try await vault.test(nil).last?.contains("give the reference") == true)
        try double.tell(#"{"is_closed": true}"#)
        let firewall = try await vault.failure("db")
        #expect(firewall.kind == .denied && firewall.message.contains("firewall"), "\(firewall)")
        await #expect(throws: ProviderFailure.self) { try await vault.test(nil) }
    }

    @Test func `throttled and down are told with when to come again, where the vault says so`() async throws {
        try double.put("db", "one")
        let error = #"{"error": {"code": "Throttled", "message": "a-message"}}"#
        for (status, headers, kind, seconds) in [
            (429, #"{"Retry-After": "7"}"#, ProviderFailure.Kind.throttled, 7), (429, "{}", .throttled, nil),
            (503, #"{"Retry-After": "3"}"#, .down, 3), (500, "{}", .down, nil), (504, "{}", .down, nil),
        ] as [(Int, String, ProviderFailure.Kind, UInt32?)] {
            try double.tell(#"{"fail": [[\#(status), \#(headers), \#(error)]], "forget": true}"#)
            let failure = try await vault.failure("db")
            #expect(failure.kind == kind && failure.retryAfter == seconds, "\(failure)")
            #expect(!failure.message.contains("a-message"))
            // Whoever asks decides when to ask again.
            #expect(try double.tell().tokensSent == 1)
        }
        #expect(try await vault.value("db").text == "one")
        double.kill()
        #expect(try await vault.failure("db").kind == .down)
    }

    @Test func `a test says in words what was found`() async throws {
        try double.put("db", "12345", #"{"exp": 4102444800}"#)
        let lines = try await vault.test(ProviderReference("db"))
        #expect(
            lines.count == 3 && lines[1].hasSuffix("5 bytes") && lines[2].contains("2100-01-01"), "\(lines)")
        #expect(try await vault.test(nil).last == "secrets may be read")
    }
}

@Suite(.serialized) struct `Azure Key Vault, writing` {
    private let double: AzureDouble
    private let vault: AzureKeyVault

    init() throws {
        double = try AzureDouble()
        vault = try double.provider()
    }

    @Test func `is on conditions, which are read first`() async throws {
        let reference = try ProviderReference("db-password")
        let first = try await vault.write(SecretValue("one\n\"é\u{7F}"), to: reference, if: .absent)
        #expect(try await vault.value("db-password") == ("one\n\"é\u{7F}", first.text))
        #expect(try await vault.failure(writing: "x", to: "db-password", if: .absent).kind == .conflict)
        let second = try await vault.write(SecretValue("two"), to: reference, if: .version(first))
        #expect(second != first)
        #expect(
            try await vault.failure(writing: "x", to: "db-password", if: .version(first)).kind == .conflict)
        #expect(try await vault.failure(writing: "x", to: "never", if: .version(first)).kind == .conflict)
        #expect(try await vault.value("db-password") == ("two", second.text))
        #expect(try await vault.failure("never").kind == .absent)
        let third = try await vault.write(SecretValue("three"), to: reference, if: .any)
        #expect(try await vault.value("db-password").version == third.text)
        // Its time being over, it is replaced all the same; disabled, nobody knows which version it is.
        try double.tell(#"{"patch": {"name": "db-password", "attributes": {"exp": 1}}}"#)
        _ = try await vault.write(SecretValue("four"), to: reference, if: .version(third))
        try double.tell(#"{"patch": {"name": "db-password", "attributes": {"enabled": false}}}"#)
        #expect(try await vault.failure(writing: "x", to: "db-password", if: .absent).kind == .conflict)
    }

    /// > at most 25,600 bytes and is UTF-8; it is always all of a secret, never a field — docs/PROVIDERS.md#azure-key-vault
    @Test func `takes text of 25 KB and no more, and whole values only`() async throws {
        let reference = try ProviderReference("long")
        let longest = String(repeating: "\n", count: 25_600)
        _ = try await vault.write(SecretValue(longest), to: reference, if: .any)
        #expect(try await vault.value("long").text == longest)
        try double.tell(#"{"forget": true}"#)
        #expect(try await vault.failure(writing: longest + "x", to: "long").kind == .malformed)
        #expect(try await vault.failure(writing: "x", to: "long#field").kind == .malformed)
        #expect(try await vault.failure(writing: "x", to: "under_score").kind == .malformed)
        let bytes: [UInt8] = [0xFF, 0xFE]
        let value = try SecretValue(copying: bytes.span.bytes)
        await #expect(throws: ProviderFailure.self) {
            try await vault.write(value, to: reference, if: .any)
        }
        await #expect(throws: ProviderFailure.self) {
            try await vault.delete(ProviderReference("long#field"))
        }
        // Nothing of it was sent.
        #expect(try double.tell().log.isEmpty)
    }

    @Test func `deletes all versions, and a name that is deleted says what to do`() async throws {
        let reference = try ProviderReference("db")
        let first = try await vault.write(SecretValue("one"), to: reference, if: .absent)
        _ = try await vault.write(SecretValue("two"), to: reference, if: .any)
        try await vault.delete(reference)
        try await vault.delete(reference)
        #expect(try await vault.failure("db", version: first.text).kind == .absent)
        let failure = try await vault.failure(writing: "x", to: "db", if: .absent)
        #expect(failure.kind == .conflict && failure.message.contains("purge"), "\(failure)")
    }

    @Test func `is denied where the role is for reading`() async throws {
        try double.put("db", "one")
        try double.tell(#"{"permissions": ["get"]}"#)
        #expect(try await vault.failure(writing: "x", to: "db").kind == .denied)
        let failure = await #expect(throws: ProviderFailure.self) {
            try await vault.delete(ProviderReference("db"))
        }
        #expect(failure?.kind == .denied)
        #expect(try await vault.value("db").text == "one")
    }
}
