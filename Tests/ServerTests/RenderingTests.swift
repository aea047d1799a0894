import Secrets
import Testing

@testable import Server

@Suite struct `Pages as they are rendered` {
    let renderer: PageRenderer
    init() throws { renderer = try PageRenderer() }

    private func html(_ template: String, _ fields: PageFields) -> String {
        String(decoding: renderer.html(template, fields), as: UTF8.self)
    }

    @Test(arguments: Templates.all.map(\.name))
    func `a template escapes every text`(_ name: String) throws {
        let text = try #require(Templates.all.first { $0.name == name }).text
        #expect(!text.contains("{{{") && !text.contains("{{&"))
        #expect(!text.contains("='") && !text.contains("style=") && !text.contains("<style"))
        // A text stands between tags or in double quotes, nowhere else in a tag.
        for tag in text.matches(of: /<[a-z][^>]*>/) {
            let outside = tag.output.replacing(/"[^"]*"/, with: "").replacing(/\{\{[#^\/][^}]*\}\}/, with: "")
            #expect(!outside.contains("{{"), "\(tag.output)")
        }
    }

    @Test(arguments: [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\"'`&", "&quot;&#39;&#96;&amp;"),
        // One character for people, and still a quote for a browser.
        ("\"\u{301} x", "&quot;\u{301} x"), ("<\u{338}b", "&lt;\u{338}b"),
        ("\u{202E}a\u{200F}", "\u{202E}a\u{200F}"),
        ("\u{0}", "&#xFFFD;"), ("plain é 🔑", "plain é 🔑"), ("{{user}}{{{user}}}", "{{user}}{{{user}}}"),
    ])
    func `what would be markup is text`(_ text: String, _ escaped: String) {
        #expect(EscapedHTML().escapeText(text) == escaped)
        let page = html("error", ["title": text, "message": text, "request": "1"])
        #expect(page.contains("<h1>\(escaped)</h1>") && page.contains("<p>\(escaped)</p>"))
        #expect(page.contains("<title>\(escaped) · SecretFS</title>"))
    }

    @Test func `a long text costs little`() {
        let text = String(repeating: "<\u{301}\"&", count: 65_536 / 5)
        let clock = ContinuousClock()
        let time = clock.measure {
            #expect(html("error", ["title": "a", "message": text, "request": "1"]).count > 65_536)
        }
        #expect(time < .seconds(1))
    }

    @Test func `a form shows what was typed and never has a value`() {
        var input = SecretInput()
        input.errors = ["secret_value": "Type or paste the value"]
        var fields = input.fields
        fields["isNew"] = true
        let page = html("secret-form", fields)
        #expect(page.contains("data-secret") && page.contains("></textarea>"))
        #expect(
            page.contains(#"aria-describedby="secret_value-hint secret_value-error" aria-invalid="true""#))
    }

    @Test(
        arguments: [
            (0, "just now"), (44, "just now"), (45, "1 minute ago"), (60, "1 minute ago"),
            (120, "2 minutes ago"), (3599, "59 minutes ago"),
            (3600, "1 hour ago"), (86_399, "23 hours ago"), (86_400, "1 day ago"),
            (30 * 86_400, "1 month ago"), (364 * 86_400, "12 months ago"),
            (365 * 86_400, "1 year ago"), (-100, "just now"),
        ] as [(Int64, String)])
    func `how long ago something was is told in words`(_ seconds: Int64, _ words: String) {
        let now = Timestamp(seconds: 2_000_000_000, nanoseconds: 0)
        let moment = Timestamp(seconds: now.seconds - seconds, nanoseconds: 0)
        #expect(PageTime.ago(moment, now: now) == words)
    }

    @Test func `the exact moment stands beside it`() {
        let fields = PageTime.fields(Timestamp(seconds: 1_764_108_123, nanoseconds: 0))
        #expect(fields["iso"] as? String == "2025-11-25T22:02:03.000Z")
        #expect(fields["exact"] as? String == "2025-11-25 22:02 UTC")
    }

    @Test func `a list is shown in pages`() {
        #expect(Paging(0, page: nil, path: "/").fields["range"] as? String == "0 of 0")
        #expect(Paging(1, page: nil, path: "/").fields["range"] as? String == "1-1 of 1")
        let second = Paging(120, page: "2", path: "/a", query: [("q", "x y&"), ("show", "")])
        #expect(second.range == 50..<100)
        #expect(second.fields["previous"] as? String == "/a?q=x%20y%26&page=1")
        #expect(Paging(50, page: "2", path: "/").range == 0..<50)
        for page in ["0", "-1", "x", "99999999999"] {
            #expect(Paging(60, page: page, path: "/").range.lowerBound == 0)
        }
        #expect(Paging(60, page: "999", path: "/").range == 50..<60)
    }

    @Test(arguments: [
        "//a", "https://a/", "/\\a", "", "a", "/a b", "/a\nb", "/é", "/sign-in", "/sign-out",
        "/" + String(repeating: "a", count: 2048),
    ])
    func `signing in leads to no other site`(_ next: String) {
        #expect(SignInPages.next(next) == "/")
        #expect(SignInPages.next("/algorithms/a/b/settings?q=%2F") == "/algorithms/a/b/settings?q=%2F")
    }
}
