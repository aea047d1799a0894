import Console
import Foundation
import HTTPTypes
import Secrets
import Store
import Testing

@testable import Server

@Suite struct `What the server says of itself` {
    @Test func `codes are those of the contract and never renumbered`() {
        #expect(
            APIError.Code.allCases.map(\.rawValue) == [
                1009, 2001, 2002, 8000, 8001, 8002, 8003, 8004, 8005, 8006, 8007, 8008, 8009, 8010, 8011,
                8012, 8013,
                8014,
            ])
    }

    @Test func `a refusal has an id, a code and a message and nothing else`() {
        let body = APIError.noSecret("of this id").body("0123456789abcdef")
        #expect(
            String(decoding: body.bytes, as: UTF8.self)
                == #"{"error":{"id":"0123456789abcdef","code":8008,"message":"there is no secret of this id here"}}"#
        )
    }

    @Test func `a fault of the server is not told to clients`() {
        let path = "/var/lib/secretfs/audit.log"
        for error: StoreError in [
            .audit(.full(path: path)), .storage(.corrupt(path: path, reason: "x")), .damaged(record: path),
            .exists(path: path),
        ] {
            let answer = APIError(error, fault: .editSecretFailed)
            #expect(answer.status.code == 500 && answer.code == 8007)
            #expect(!answer.message.contains(path))
        }
        let busy = APIError(StoreError.storage(.busy(path: path)), fault: .editSecretFailed)
        #expect(busy.status == .serviceUnavailable && busy.retryAfter == 1 && !busy.message.contains(path))
        #expect(APIError(StoreError.sealed, fault: .secretProviderFailed).status == .serviceUnavailable)
    }

    @Test(arguments: [
        ("127.0.0.1:8443", "127.0.0.1", 8443, true), ("localhost:0", "127.0.0.1", 0, true),
        ("[::1]:1", "::1", 1, true),
        ("0.0.0.0:443", "0.0.0.0", 443, false), ("[::]:65535", "::", 65535, false),
        ("127.1.2.3:5", "127.1.2.3", 5, true),
    ])
    func `an address to listen on is an address and a port`(
        _ text: String, _ host: String, _ port: Int, _ isLoopback: Bool
    ) throws {
        let address = try #require(ListenAddress(text))
        #expect(address.host == host && address.port == port && address.isLoopback == isLoopback)
    }

    @Test(arguments: [
        "", "8443", ":8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:+1", "::1:8443",
        "[127.0.0.1]:1",
        "example.org:443", "127.0.0.1:80:80", "[::1%lo]:1", "127.0.0.1 :1", "[::1:1",
    ])
    func `anything else is not`(_ text: String) { #expect(ListenAddress(text) == nil) }

    @Test(arguments: [
        ("a%2Fb", "a/b"), ("%C3%A9", "é"), ("a", "a"), ("%", nil), ("%4", nil), ("%zz", nil), ("%ff", nil),
    ])
    func `an escape in a path means a byte of UTF-8`(_ text: String, _ meaning: String?) {
        #expect(PercentCoding.decoded(text) == meaning)
    }

    @Test func `bodies get no more room than there is`() {
        let budget = ByteBudget(10)
        #expect(budget.take(6) && budget.take(4) && !budget.take(1))
        budget.giveBack(4)
        #expect(!budget.take(5) && budget.take(4))
    }
}

@Suite struct `The metrics` {
    @Test func `are a text that Prometheus reads, with routes for labels`() {
        let metrics = Metrics()
        metrics.answered("GET", "/v1/algorithms/{owner}/{name}", 200, seconds: 0.003)
        metrics.answered("GET", "/v1/algorithms/{owner}/{name}", 200, seconds: 0.3)
        let text = metrics.text(.init(connections: 2, cutOff: 1, refused: 0, waiting: 0, isReady: true))
        let lines = Set(text.split(separator: "\n").map(String.init))
        let route = "route=\"/v1/algorithms/{owner}/{name}\""
        #expect(lines.contains("secretfs_http_requests_total{method=\"GET\",\(route),status=\"200\"} 2"))
        #expect(lines.contains("secretfs_http_request_duration_seconds_bucket{\(route),le=\"0.005\"} 1"))
        #expect(lines.contains("secretfs_http_request_duration_seconds_bucket{\(route),le=\"+Inf\"} 2"))
        #expect(lines.contains("secretfs_connections 2") && lines.contains("secretfs_ready 1"))
        for line in lines where !line.hasPrefix("#") {
            #expect(
                line.wholeMatch(of: /[a-z_]+(\{[^}]*(\{[a-zA-Z]+\}[^}]*)*\})? [0-9.e+-]+/) != nil, "\(line)")
        }
    }
}
