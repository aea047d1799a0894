import JSONText
import Secrets
import Testing

@testable import Server

private func form(_ text: String) throws -> FormBody {
    let buffer = SecretBuffer()
    let bytes = Array(text.utf8)
    try buffer.write(bytes.span.bytes, at: 0)
    return try FormBody(buffer)
}

private func bytes(_ value: SecretValue?) -> [UInt8]? {
    value.map { value in value.withBytes { span in (0..<span.byteCount).map { span.byte(at: $0) } } }
}

@Suite struct `Forms of the pages` {
    @Test func `fields are taken apart and decoded`() throws {
        let form = try form("a=1+2%20%C3%A9&b=&c&_d=%3D%26")
        #expect(try form.string("a") == "1 2 é" && form.string("b") == "" && form.string("c") == "")
        #expect(try form.string("_d") == "=&" && form.string("missing") == "")
        #expect(try bytes(form.value("a", isText: false)) == Array("1 2 é".utf8))
        #expect(try form.value("missing", isText: true) == nil)
    }

    @Test(arguments: [
        ("a%0D%0Ab", "a\nb"), ("%0D%0A%0D%0A", "\n\n"), ("a%0Db", "a\rb"), ("%0D", "\r"),
        ("%0D%0D%0A", "\r\n"), ("%0d%0a", "\n"),
        ("%0A%0D", "\n\r"),
    ])
    func `line ends of a text become LF, and of a password stay`(_ sent: String, _ kept: String) throws {
        #expect(try bytes(form("v=\(sent)").value("v", isText: true)) == Array(kept.utf8))
        let exact = try #require(PercentCoding.decoded(sent))
        #expect(try bytes(form("v=\(sent)").value("v", isText: false)) == Array(exact.utf8))
    }

    @Test func `a value may be any bytes, a text only UTF-8`() throws {
        #expect(try bytes(form("v=%FF%00%80").value("v", isText: true)) == [0xFF, 0, 0x80])
        #expect(throws: FormError.self) { try form("v=%FF").string("v") }
        #expect(throws: FormError.self) { try form("v=%C0%80").string("v") }
    }

    @Test(arguments: ["a=1&a=2", "A=1", "a%62=1", "a-b=1", "é=1", String(repeating: "x", count: 65) + "=1"])
    func `a name that is none of ours is refused`(_ text: String) {
        #expect(throws: FormError.self) { try form(text) }
    }

    @Test func `a form has no more fields than any of ours`() throws {
        func many(_ count: Int) -> String {
            (0..<count).map { "f\(String(repeating: "x", count: $0))=1" }.joined(separator: "&")
        }
        _ = try form(many(32))
        #expect(throws: FormError.self) { try form(many(33)) }
    }

    @Test(arguments: ["%", "%1", "%zz", "%1z", "a%"])
    func `an escape that is none is refused`(_ text: String) throws {
        let form = try form("v=\(text)&w=1")
        #expect(throws: FormError.self) { try form.string("v") }
        #expect(throws: FormError.self) { try form.value("v", isText: true) }
        #expect(try form.string("w") == "1")
    }

    @Test func `a refusal has nothing of what was sent`() {
        do {
            _ = try form("planted=1&planted=2")
            Issue.record("it was taken")
        } catch { #expect(!"\(error)".contains("planted")) }
    }

    @Test func `a value has a mebibyte at most`() throws {
        let most = String(repeating: "%41", count: 1 << 20)
        #expect(try form("v=\(most)").value("v", isText: true)?.count == 1 << 20)
        #expect(throws: ValueTooLong.self) { try form("v=\(most)A").value("v", isText: true) }
    }

    @Test func `what is looked for in a list is found in any case and as it is`() {
        #expect(Search("sql").matches(["MySQL"]) && Search(" É ").matches(["é"]) && Search(nil).matches([""]))
        #expect(!Search("a.c").matches(["abc"]) && !Search("abc").matches(["ab"]))
        #expect(Search(String(repeating: "x", count: 129)).isEmpty)
    }
}
