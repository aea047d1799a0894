import Foundation
import JSONText
import Secrets
import Testing

@testable import Providers

@Suite(.serialized) struct `AWS Secrets Manager` {
    private let moto: Moto

    init() throws { moto = try Moto() }

    @Test func `reads strings, bytes, fields, the newest or the version that is pinned`() async throws {
        let first = try moto.run(
            #"print(client.create_secret(Name="nlp/db", SecretString="one\n\"é€😀")["VersionId"])"#)
        let aws = try moto.provider()
        #expect(try await aws.value("nlp/db") == ("one\n\"é€😀", first))
        try moto.run(#"client.put_secret_value(SecretId="nlp/db", SecretString="two")"#)
        #expect(try await aws.value("nlp/db").text == "two")
        #expect(try await aws.value("nlp/db", version: first).text == "one\n\"é€😀")
        try moto.run(#"client.create_secret(Name="bytes", SecretBinary=bytes(range(256)))"#)
        let reading = try await aws.read(ProviderReference("bytes"), version: nil, known: nil)
        guard case .value(let found) = reading else { throw Unexpected() }
        #expect(
            found.value.withBytes { bytes in (0..<bytes.byteCount).map { bytes.byte(at: $0) } }
                == Array(0...255))
        #expect(try await aws.failure("bytes#a").kind == .malformed)
        try moto.run(#"client.create_secret(Name="json", SecretString='{"a": "x", "n": 12.50, "o": {}}')"#)
        #expect(try await aws.value("json#a").text == "x")
        #expect(try await aws.value("json#n").text == "12.50")
        #expect(try await aws.value("json").text == #"{"a": "x", "n": 12.50, "o": {}}"#, "only when asked")
        #expect(try await aws.failure("json#o").kind == .malformed)
        #expect(try await aws.failure("json#b").kind == .absent)
        #expect(try await aws.failure("nlp/db#a").kind == .malformed)
        await aws.close()
    }

    @Test func `what is known and has not changed is not told again`() async throws {
        let first = try moto.run(#"print(client.create_secret(Name="db", SecretString="one")["VersionId"])"#)
        let aws = try moto.provider()
        let reference = try ProviderReference("db")
        guard case .unchanged = try await aws.read(reference, version: nil, known: ProviderVersion(first))
        else { throw Unexpected() }
        try moto.run(#"client.put_secret_value(SecretId="db", SecretString="two")"#)
        guard
            case .value(let found) = try await aws.read(
                reference, version: nil, known: ProviderVersion(first))
        else { throw Unexpected() }
        #expect(found.value.text == "two" && found.version.text != first)
    }

    @Test func `never made is absent, and what is to be deleted is denied`() async throws {
        let aws = try moto.provider()
        #expect(try await aws.failure("never").kind == .absent)
        try moto.run(#"client.create_secret(Name="going", SecretString="x")"#)
        #expect(
            try await aws.failure("going", version: "11111111-2222-3333-4444-555555555555").kind == .absent)
        try moto.run(#"client.delete_secret(SecretId="going")"#)
        #expect(try await aws.failure("going").kind == .denied)
        try moto.run(#"client.restore_secret(SecretId="going")"#)
        #expect(try await aws.value("going").text == "x")
        #expect(try await aws.failure("a b".replacing(" ", with: "*")).kind == .malformed)
    }

    @Test func `writes on conditions, and deletes`() async throws {
        let aws = try moto.provider(["vault_secret_prefix": "team/"])
        let reference = try aws.place(of: EnvironmentName("TOKEN"), in: SecretHome("nlp/Summarizer"))
        #expect(reference.description == "team/nlp/Summarizer/TOKEN")
        let first = try await aws.write(SecretValue("one\n\"é"), to: reference, if: .absent)
        #expect(try await aws.value(reference.description) == ("one\n\"é", first.text))
        do throws(ProviderFailure) {
            _ = try await aws.write(try! SecretValue("x"), to: reference, if: .absent)
            Issue.record("it was written")
        } catch { #expect(error.kind == .conflict) }
        let second = try await aws.write(SecretValue("two"), to: reference, if: .version(first))
        #expect(second != first)
        do throws(ProviderFailure) {
            _ = try await aws.write(try! SecretValue("x"), to: reference, if: .version(first))
            Issue.record("it was written")
        } catch { #expect(error.kind == .conflict) }
        let bytes: [UInt8] = [0xFF, 0x00, 0xFE]
        _ = try await aws.write(SecretValue(copying: bytes.span.bytes), to: reference, if: .any)
        let reading = try await aws.read(reference, version: nil, known: nil)
        guard case .value(let found) = reading else { throw Unexpected() }
        #expect(found.value.count == 3)
        let long = try SecretValue(String(repeating: "x", count: AWSSecretsManager.maximumValue + 1))
        do throws(ProviderFailure) {
            _ = try await aws.write(long, to: reference, if: .any)
            Issue.record("it was written")
        } catch { #expect(error.kind == .malformed) }
        try await aws.delete(reference)
        try await aws.delete(reference)
        try await aws.delete(ProviderReference("never"))
        #expect(try await aws.failure(reference.description).kind == .denied)
        let new = try ProviderReference("new")
        _ = try await aws.write(SecretValue("made"), to: new, if: .any)
        #expect(try await aws.value("new").text == "made")
    }

    @Test func `that is not there is down`() async throws {
        let aws = try moto.provider()
        moto.kill()
        #expect(try await aws.failure("db").kind == .down)
    }
}

@Suite struct `Credentials of AWS` {
    private static let value = "planted-value-of-a-test"
    private static func secret(_ version: String = "11111111-2222-3333-4444-555555555555") -> String {
        HostileServer.answer("200 OK", #"{"SecretString":"\#(value)","VersionId":"\#(version)"}"#)
    }
    private static func keys(_ ends: String = "2999-01-01T00:00:00Z", token: String = "T1") -> String {
        #"{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"s3cr3t","Token":"\#(token)","Expiration":"\#(ends)"}"#
    }
    private static func refused(_ type: String, _ status: String = "400 Bad Request") -> String {
        HostileServer.answer(status, #"{"__type":"\#(type)","message":"\#(value)"}"#)
    }

    private func provider(
        _ server: HostileServer, _ settings: [String: String]
    ) throws -> AWSSecretsManager {
        let all = ["region": "eu-central-1", "endpoint": server.address].merging(settings) { _, new in new }
        return try AWSSecretsManager(
            try ProviderConfiguration(texts: all),
            metadata: try ProviderURL(server.address, setting: ""), requestSeconds: 3)
    }

    private func withFile(_ text: String, _ body: (String) async throws -> Void) async throws {
        let file = NSTemporaryDirectory() + "token-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: file) }
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        try await body(file)
    }

    @Test func `of this machine: a session first, then the role, then its keys`() async throws {
        let server = try await HostileServer([
            HostileServer.answer("200 OK", "session-token"), HostileServer.answer("200 OK", "the-role"),
            HostileServer.answer("200 OK", Self.keys()), Self.secret(),
        ])
        let aws = try provider(server, ["login": "instance"])
        #expect(try await aws.value("db").text == Self.value)
        let sent = server.sent.text
        #expect(sent.contains("PUT /latest/api/token HTTP/1.1"))
        #expect(sent.contains("X-aws-ec2-metadata-token: session-token"))
        #expect(sent.contains("GET /latest/meta-data/iam/security-credentials/the-role HTTP/1.1"))
        #expect(sent.contains("X-Amz-Security-Token: T1"))
        #expect(sent.contains("Credential=ASIAEXAMPLE/") && !sent.contains("s3cr3t"))
        await aws.close()
        await server.close()
    }

    @Test func `of a container, with the token that its agent wants to see`() async throws {
        let server = try await HostileServer([HostileServer.answer("200 OK", Self.keys()), Self.secret()])
        try await withFile("container-token\n") { file in
            let aws = try provider(
                server,
                [
                    "login": "container", "container_credentials_uri": server.address + "/v1/credentials?x=1",
                    "container_token_file": file,
                ])
            #expect(try await aws.value("db").text == Self.value)
            #expect(server.sent.text.contains("GET /v1/credentials?x=1 HTTP/1.1"))
            #expect(server.sent.text.contains("Authorization: container-token"))
            await aws.close()
        }
        await server.close()
    }

    @Test(arguments: [
        "http://169.254.170.2/v2/x", "http://169.254.170.23/v1/credentials", "http://[fd00:ec2::23]/v1",
        "https://example.org/x", "http://127.0.0.1:8080/x",
    ])
    func `of a container come from the addresses of AWS, this machine, or by TLS`(_ text: String) throws {
        _ = try ProviderURL.containerCredentials(text)
    }

    @Test(arguments: [
        "http://example.org/x", "http://169.254.170.2.example.org/x", "http://169.254.170.2@example.org/x",
        "ftp://169.254.170.2/x", "169.254.170.2", "http://169.254.170.23:80/x", "http://127.0.0.1/a b",
        "http://127.0.0.1/\r\nx: y",
    ])
    func `and from nowhere else`(_ text: String) {
        #expect(throws: ProviderFailure.self) { try ProviderURL.containerCredentials(text) }
    }

    @Test func `of a role that trusts a token, read anew for each login`() async throws {
        let answer =
            #"{"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"Credentials":{"AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"s3cr3t","SessionToken":"T2","Expiration":32472144000}}}}"#
        let server = try await HostileServer([
            HostileServer.answer("200 OK", answer), Self.refused("ExpiredTokenException"),
            HostileServer.answer("200 OK", answer), Self.secret(),
        ])
        try await withFile("jwt.of.it") { file in
            let aws = try provider(
                server,
                [
                    "login": "web_identity", "role_arn": "arn:aws:iam::1:role/r", "jwt_file": file,
                    "sts_endpoint": server.address,
                ])
            #expect(try await aws.value("db").text == Self.value, "new ones after a refusal")
            let sent = server.sent.text
            #expect(sent.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"))
            #expect(sent.components(separatedBy: "WebIdentityToken=jwt.of.it").count == 3)
            #expect(sent.contains("X-Amz-Security-Token: T2"))
            await aws.close()
        }
        await server.close()
    }

    @Test(arguments: [
        ("AccessDeniedException", ProviderFailure.Kind.denied), ("UnrecognizedClientException", .denied),
        ("InvalidSignatureException", .denied), ("DecryptionFailure", .denied),
        ("InvalidRequestException", .denied), ("ResourceNotFoundException", .absent),
        ("com.amazonaws.secretsmanager#ResourceNotFoundException", .absent),
        ("ThrottlingException", .throttled), ("InternalServiceError", .down), ("Something", .malformed),
    ])
    func `and refusals are what they are, without what was said`(
        _ type: String, _ kind: ProviderFailure.Kind
    ) async throws {
        let server = try await HostileServer([Self.refused(type)])
        let aws = try provider(server, ["access_key_id": "AKIA", "secret_access_key": "s3cr3t"])
        let failure = try await aws.failure("db")
        #expect(failure.kind == kind, "\(failure)")
        #expect(!failure.message.contains(Self.value) && !failure.message.contains("s3cr3t"))
        await aws.close()
        await server.close()
    }

    @Test(arguments: [
        #"{}"#, #"{"VersionId":"1"}"#, #"{"SecretString":7,"VersionId":"1"}"#, "x", "[1]",
        #"{"SecretString":"a"}"#, #"{"SecretString":"a","VersionId":""}"#,
        #"{"SecretBinary":"!!!!","VersionId":"1"}"#,
        #"{"SecretString":"a","SecretString":"b","VersionId":"1"}"#,
    ])
    func `and answers that no such service gives are malformed`(_ body: String) async throws {
        let server = try await HostileServer([HostileServer.answer("200 OK", body)])
        let aws = try provider(server, ["access_key_id": "AKIA", "secret_access_key": "s3cr3t"])
        #expect(try await aws.failure("db").kind == .malformed, "\(body)")
        await aws.close()
        await server.close()
    }

    @Test(arguments: [
        (["login": "magic"], "login"), (["region": "eu central"], "region"), (["region": ""], "region"),
        (["access_key_id": ""], "access_key_id"), (["secret_access_key": ""], "secret_access_key"),
        (["endpoint": "http://elsewhere.example.org"], "endpoint"),
        (["login": "web_identity"], "role_arn"), (["login": "container"], "container_credentials_uri"),
        (["vault_secret_prefix": "a*b"], "vault_secret_prefix"),
    ])
    func `and settings that cannot be right are named`(_ change: [String: String], _ name: String) throws {
        let all = ["region": "eu-central-1", "access_key_id": "AKIA", "secret_access_key": "s"]
            .merging(change) { _, new in new }
        do throws(ProviderFailure) {
            _ = try AWSSecretsManager(try! ProviderConfiguration(texts: all))
            Issue.record("it was taken")
        } catch { #expect(error.kind == .malformed && error.message.contains(name), "\(error)") }
    }
}
