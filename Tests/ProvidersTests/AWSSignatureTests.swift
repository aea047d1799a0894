import NIOCore
import NIOHTTP1
import Secrets
import Testing

@testable import Providers

/// AWS's published test suite of Signature Version 4, as far as it has no query.
@Suite struct `Signatures of AWS` {
    static let token =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="

    struct Vector: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var method = "POST"
        var headers: [String: String] = [:]
        var body: String?
        var token: String?
        let names: String
        let signature: String
    }

    static let vectors = [
        Vector(
            testDescription: "get-vanilla", method: "GET", names: "host;x-amz-date",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Vector(
            testDescription: "post-vanilla", names: "host;x-amz-date",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Vector(
            testDescription: "post-header-value-case", headers: ["My-Header1": "VALUE1"],
            names: "host;my-header1;x-amz-date",
            signature: "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        Vector(
            testDescription: "post-x-www-form-urlencoded", body: "Param1=value1",
            names: "content-type;host;x-amz-date",
            signature: "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        Vector(
            testDescription: "post-sts-header-before", token: token,
            names: "host;x-amz-date;x-amz-security-token",
            signature: "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
    ]

    @Test(arguments: vectors)
    func `are those that AWS publishes`(_ vector: Vector) throws {
        let url = try ProviderURL("https://example.amazonaws.com", setting: "")
        var request = ProviderRequest(.init(rawValue: vector.method), url, "/")
        for (name, value) in vector.headers { request.headers.add(name: name, value: value) }
        if let body = vector.body {
            request.body = ByteBuffer(string: body)
            request.contentType = FormWriter.contentType
        }
        let credentials = AWSCredentials(
            id: "AKIDEXAMPLE", secret: try SecretValue("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            token: try vector.token.map { try SecretValue($0) })
        try AWSSignature(region: "us-east-1", service: "service", time: "20150830T123600Z").sign(
            &request, by: credentials)
        let scope = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
        #expect(
            request.headers.first(name: "Authorization")
                == "AWS4-HMAC-SHA256 Credential=\(scope), SignedHeaders=\(vector.names), Signature=\(vector.signature)"
        )
    }

    @Test func `have a time without punctuation`() {
        let time = AWSSignature(region: "x", service: "y").time
        #expect(time.wholeMatch(of: /\d{8}T\d{6}Z/) != nil, "\(time)")
    }

    @Test(arguments: ["", "f", "fo", "foo", "foob", "fooba", "foobar"])
    func `are not all that is made of bytes: Base64, there and back`(_ text: String) throws {
        let encoded = try Base64.encoded(SecretValue(text))
        let known = [
            "": "", "f": "Zg==", "fo": "Zm8=", "foo": "Zm9v", "foob": "Zm9vYg==", "fooba": "Zm9vYmE=",
        ]
        #expect(encoded.text == known[text] ?? "Zm9vYmFy")
        #expect(try Base64.decoded(encoded).text == text)
    }

    @Test(arguments: ["Z", "Zg=", "Zg==Zg==", "Z===", "====", "Zm9v!A==", "Zm 9"])
    func `and what is no Base64 is none`(_ text: String) throws {
        #expect(throws: ProviderFailure.self) { try Base64.decoded(SecretValue(text)) }
    }
}
